// SPDX-License-Identifier: Apache-2.0
// The main job through libvirt: in our process, and by a daemon that the test starts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <boost/json/parse.hpp>
#include <memory>

#include "base/text.h"
#include "e2e/rig_process.h"
#include "e2e/shell.h"

namespace rig::e2e {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

std::vector<std::string> one(const std::string& vm, const std::string& arch,
                             const std::string& retries) {
  return {"run",   "late-completion", "--vm",   vm,         "--arch", arch,        "--detector",
          "none",  "--variant",       "faulty", "--repeat", "1",      "--retries", retries,
          "--json"};
}

// The findings that do not depend on where things lie: their kinds, in order.
std::vector<std::string> kinds(const boost::json::object& attempt) {
  std::vector<std::string> list;
  const auto text = read_file(text_of(attempt.at("findings")));
  if (!text) return list;
  const auto findings = boost::json::parse(*text);
  for (const auto& finding : findings.at("findings").as_array()) {
    list.push_back(text_of(finding.at("kind")));
  }
  return list;
}

// A daemon with sockets, state and configuration in a folder, so that the host's own is left alone.
class Daemon {
 public:
  explicit Daemon(const fs::path& folder) : folder_(folder) { start(); }
  ~Daemon() { stop(SIGTERM); }

  std::string uri() const {
    return fmt::format("qemu+unix:///system?socket={}/libvirt-sock", folder_.string());
  }
  void start() {
    // A mount namespace of its own: everything that a daemon has on disk is the folder's.
    const auto ended = shell(folder_, fmt::format(R"(mkdir -p etc run lib cache log
cat > libvirtd.conf <<END
unix_sock_dir = "{0}"
auth_unix_rw = "none"
END
cat > etc/qemu.conf <<END
user = "root"
group = "root"
security_driver = "none"
cgroup_controllers = []
namespaces = []
remember_owner = 0
stdio_handler = "file"
END
unshare -m sh -c 'mount --bind etc /etc/libvirt && mkdir -p /run/libvirt /var/lib/libvirt /var/cache/libvirt &&
mount --bind run /run/libvirt && mount --bind lib /var/lib/libvirt && mount --bind cache /var/cache/libvirt &&
exec libvirtd -d -f libvirtd.conf -p {0}/daemon.pid'
for i in $(seq 100); do virsh -c '{1}' version > /dev/null 2>&1 && exit 0; sleep 0.2; done
exit 1)",
                                                  folder_.string(), uri()));
    EXPECT_EQ(ended.exit_code, 0) << ended.out << ended.err;
  }
  void stop(int signal) {
    const auto text = read_file(folder_ / "daemon.pid");
    const auto pid = text ? parse_u64(trim(*text)) : std::nullopt;
    if (pid && *pid > 1) ::kill(static_cast<pid_t>(*pid), signal);
  }

 private:
  fs::path folder_;
};

class ThroughLibvirt : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "libvirt's drivers are tried as root";
  }
};
INSTANTIATE_TEST_SUITE_P(Libvirt, ThroughLibvirt, testing::Values("x86_64", "arm64"),
                         [](const auto& test) { return test.param; });

TEST_P(ThroughLibvirt, SameOutcomeAndFindingsAsWithOurOwnQemu) {
  Bench bench;
  const auto own = bench.crashrig(one("qemu", GetParam(), "1"));
  ASSERT_EQ(own.exit_code, 0) << own.out << own.err;
  const auto wanted = own.json();
  const TempDir folder = TempDir::create("rig", "/tmp").value();
  const Daemon daemon(folder.path());
  for (const std::string& vm : {std::string("embed"), daemon.uri()}) {
    SCOPED_TRACE(vm);
    const auto ended = bench.crashrig(one(vm, GetParam(), "1"));
    ASSERT_EQ(ended.exit_code, 0) << ended.out << ended.err;
    const auto document = ended.json();
    const auto& attempt = attempt_of(document, "faulty");
    EXPECT_EQ(text_of(attempt.at("outcome")), "expected-crash");
    EXPECT_EQ(attempt.at("report").at("kind"),
              attempt_of(wanted, "faulty").at("report").at("kind"));
    EXPECT_EQ(kinds(attempt), kinds(attempt_of(wanted, "faulty")));
    EXPECT_THAT(text_of(attempt.at("backend_version")), HasSubstr("libvirt"));
  }
  EXPECT_THAT(bench.leftover_processes(), IsEmpty());
  EXPECT_THAT(bench.leftover_temporary_files(), IsEmpty());
}

// Acts once, as soon as the output mentions `phase`.
Bench::OnLine at(std::string phase, std::function<void(int pid)> act) {
  auto done = std::make_shared<bool>(false);
  return [=](int pid, std::string_view line) {
    if (*done || line.find(phase) == std::string_view::npos) return;
    *done = true;
    act(pid);
  };
}

using LibvirtFaults = ThroughLibvirt;
INSTANTIATE_TEST_SUITE_P(Faults, LibvirtFaults, testing::Values("x86_64"),
                         [](const auto& test) { return test.param; });

TEST_P(LibvirtFaults, DomainDestroyedBehindOurBackIsARigErrorAndMadeAgain) {
  Bench bench;
  const TempDir folder = TempDir::create("rig", "/tmp").value();
  const Daemon daemon(folder.path());
  const auto ended =
      bench.crashrig(one(daemon.uri(), GetParam(), "1"), at("wait", [&](int) {
                       const auto gone = shell(
                           folder.path(), fmt::format("virsh -c '{0}' destroy $(virsh -c '{0}' "
                                                      "list --name | grep crashrig-)",
                                                      daemon.uri()));
                       EXPECT_EQ(gone.exit_code, 0) << gone.err;
                     }));
  EXPECT_EQ(ended.exit_code, 0) << ended.out << ended.err;
  EXPECT_THAT(ended.err, HasSubstr("the domain was destroyed"));
  EXPECT_THAT(ended.out, Not(HasSubstr("other-crash")));
}

TEST_P(LibvirtFaults, DaemonThatRestartsIsARigErrorAndTheAttemptIsMadeAgain) {
  Bench bench;
  const TempDir folder = TempDir::create("rig", "/tmp").value();
  Daemon daemon(folder.path());
  const auto ended = bench.crashrig(one(daemon.uri(), GetParam(), "1"), at("wait", [&](int) {
                                      daemon.stop(SIGKILL);
                                      daemon.start();
                                    }));
  EXPECT_EQ(ended.exit_code, 0) << ended.out << ended.err;
  EXPECT_THAT(ended.err, HasSubstr("tried again, because the rig failed"));
  EXPECT_THAT(ended.out, Not(HasSubstr("other-crash")));
  // The daemon took the first guest over, and it must have been ended all the same.
  const auto left =
      shell(folder.path(), fmt::format("virsh -c '{}' list --all --name", daemon.uri()));
  EXPECT_THAT(left.out, Not(HasSubstr("crashrig-"))) << left.err;
}

TEST_P(LibvirtFaults, KilledRigLeavesNoGuest) {
  Bench bench;
  (void)bench.crashrig(one("embed", GetParam(), "0"),
                       at("wait", [](int pid) { ::kill(pid, SIGKILL); }));
  EXPECT_THAT(bench.leftover_processes(), IsEmpty());
}

TEST_P(LibvirtFaults, DaemonThatIsNotThereNamesTheNextStep) {
  Bench bench;
  const auto ended =
      bench.crashrig(one("qemu+unix:///system?socket=/nonexistent", GetParam(), "0"));
  EXPECT_EQ(ended.exit_code, 3) << ended.out << ended.err;
  EXPECT_THAT(ended.err, HasSubstr("libvirtd"));
}

}  // namespace
}  // namespace rig::e2e
