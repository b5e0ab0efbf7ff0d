// SPDX-License-Identifier: Apache-2.0
// The questions: query-cpu-definitions, query-cpu-model-expansion, query-machines, qom-list-types,
// qom-list-properties, device-list-properties (QEMU qapi/machine-target.json, qapi/qom.json).
#include "vm/qemu/capabilities.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "vm/child.h"
#include "vm/qmp.h"

namespace rig::vm::qemu {
namespace json = boost::json;
namespace {

constexpr std::chrono::seconds kAnswerTime{20};  // 0.1 s on an idle machine

std::string text_of(const json::value& object, std::string_view key) {
  const json::object* members = object.if_object();
  const json::value* value = members != nullptr ? members->if_contains(key) : nullptr;
  const json::string* text = value != nullptr ? value->if_string() : nullptr;
  return text != nullptr ? std::string(*text) : std::string();
}

// A QEMU without a machine, to be asked.
class Asked {
 public:
  static Result<std::unique_ptr<Asked>> start(const fs::path& program, std::string_view accelerator,
                                              const std::stop_token& stop);

  const std::string& version() const { return version_; }
  Qmp::Reply ask(std::string_view command, json::object arguments) {
    return qmp_->execute(command, std::move(arguments), Deadline::after(kAnswerTime), stop_);
  }
  // The objects of an answer that is a list.
  Result<json::array> list(std::string_view command, json::object arguments) {
    RIG_ASSIGN(json::value reply, ask(command, std::move(arguments)));
    if (json::array* items = reply.if_array()) return std::move(*items);
    return fail(Blame::kRig, "QMP: {}: an answer that is no list", command);
  }

 private:
  Asked(Loop loop, std::stop_token stop) : loop_(std::move(loop)), stop_(std::move(stop)) {}

  Loop loop_;
  std::stop_token stop_;
  std::string version_;
  std::unique_ptr<Child> child_;
  std::unique_ptr<Qmp> qmp_;
};

Result<std::unique_ptr<Asked>> Asked::start(const fs::path& program, std::string_view accelerator,
                                            const std::stop_token& stop) {
  RIG_ASSIGN(Loop loop, Loop::create());
  std::unique_ptr<Asked> asked(new Asked(std::move(loop), stop));
  RIG_ASSIGN(auto monitor, socket_pair());
  const Command command{.program = program.string(),
                        .args = {"-nodefaults", "-no-user-config", "-display", "none", "-machine",
                                 "none", "-accel", std::string(accelerator), "-S", "-chardev",
                                 fmt::format("socket,id=monitor,fd={}", monitor.second.get()),
                                 "-mon", "chardev=monitor,mode=control"},
                        .directory = {},
                        .environment = {}};
  RIG_ASSIGN(asked->child_, Child::start(asked->loop_, command, {monitor.second.get()}));
  monitor.second.reset();
  RIG_ASSIGN(asked->qmp_,
             Qmp::create(asked->loop_, std::move(monitor.first), [](const QmpEvent&) {}));
  auto version = asked->qmp_->connect(Deadline::after(kAnswerTime), stop);
  if (!version) return wrap(program.string(), std::move(version).error());
  asked->version_ = *std::move(version);
  return asked;
}

// Names of what can be set; "child<...>" are a device's own parts.
std::vector<std::string> property_names(const json::array& items) {
  std::vector<std::string> names;
  for (const json::value& item : items) {
    if (text_of(item, "type").starts_with("child<")) continue;
    names.push_back(text_of(item, "name"));
  }
  return names;
}

Status learn_machine(Asked& asked, const Machine& machine, Capabilities& all) {
  const std::string type(machine.type.substr(0, machine.type.find(',')));
  RIG_ASSIGN(const json::array machines, asked.list("query-machines", {}));
  for (const json::value& each : machines) {
    if (text_of(each, "name") != type && text_of(each, "alias") != type) continue;
    all.machine = text_of(each, "name");
    const json::value* most = each.as_object().if_contains("cpu-max");
    if (most != nullptr && most->is_int64()) {
      all.max_cpus = static_cast<unsigned>(most->as_int64());
    }
  }
  if (all.machine.empty()) {
    return fail(Blame::kRig, "{} {} has no machine '{}'", all.binary, all.version, type);
  }
  RIG_ASSIGN(const json::array options,
             asked.list("qom-list-properties", {{"typename", all.machine + "-machine"}}));
  all.machine_options = property_names(options);
  return {};
}

// x86's "max" has all that the accelerator can do; elsewhere a feature may be off by default and
// nothing is known to be absent.
void learn_absent_features(Asked& asked, Capabilities& all) {
  const auto reply = asked.ask("query-cpu-model-expansion",
                               {{"type", "full"}, {"model", json::object{{"name", "max"}}}});
  if (!reply || !reply->is_object()) return;
  const json::value* model = reply->as_object().if_contains("model");
  const json::object* members = model != nullptr ? model->if_object() : nullptr;
  const json::value* props = members != nullptr ? members->if_contains("props") : nullptr;
  if (props == nullptr || !props->is_object()) return;
  for (const auto& [name, value] : props->as_object()) {
    if (value.is_bool() && !value.as_bool()) all.absent_features.emplace_back(name);
  }
}

Result<Capabilities> learn_all(const Machine& machine, const fs::path& program,
                               std::string_view accelerator, const std::stop_token& stop) {
  RIG_ASSIGN(const auto asked, Asked::start(program, accelerator, stop));
  Capabilities all;
  all.binary = machine.binary;
  all.version = asked->version();
  RIG_TRY(learn_machine(*asked, machine, all));
  RIG_ASSIGN(const json::array cpus, asked->list("query-cpu-definitions", {}));
  for (const json::value& cpu : cpus) all.cpus[text_of(cpu, "name")] = text_of(cpu, "typename");
  RIG_ASSIGN(const json::array devices,
             asked->list("qom-list-types", {{"implements", "device"}, {"abstract", false}}));
  for (const json::value& device : devices) all.devices.push_back(text_of(device, "name"));
  if (machine.arch == Arch::kX86_64) learn_absent_features(*asked, all);
  return all;
}

Status learn_properties(const fs::path& program, std::string_view accelerator,
                        const std::stop_token& stop, Capabilities& all, const std::string& type) {
  RIG_ASSIGN(const auto asked, Asked::start(program, accelerator, stop));
  const auto items = asked->list("device-list-properties", {{"typename", type}});
  if (!items && items.error().blame == Blame::kCancelled) return tl::unexpected(items.error());
  all.properties[type] = items ? std::optional(property_names(*items)) : std::nullopt;
  return {};
}

}  // namespace

Result<CapabilitySource> CapabilitySource::open(const Machine& machine, const fs::path& program,
                                                std::string_view accelerator,
                                                std::string_view identity, const fs::path& cache,
                                                bool fresh, const std::stop_token& stop) {
  const fs::path file =
      cache / fmt::format("qemu-{}-{}.json", to_string(machine.arch), accelerator);
  std::optional<Capabilities> known;
  std::error_code error;
  if (!fresh && fs::exists(file, error)) {
    if (const auto text = read_file(file)) known = capabilities_from_json(*text, identity);
  }
  // The cache is a help: a full disk is no reason to fail.
  const auto save = [file, id = std::string(identity)](const Capabilities& all) {
    (void)write_file_atomically(file, to_json(all, id));
  };
  if (!known) {
    RIG_ASSIGN(known, learn_all(machine, program, accelerator, stop));
    save(*known);
  }
  CapabilitySource source(*std::move(known));
  source.learn_ = [save, program, accelerator = std::string(accelerator), stop](
                      Capabilities& all, const std::string& type) -> Status {
    RIG_TRY(learn_properties(program, accelerator, stop, all, type));
    save(all);
    return {};
  };
  return source;
}

Result<std::optional<std::vector<std::string>>> CapabilitySource::properties(
    const std::string& type) {
  if (!known_.properties.contains(type) && learn_) RIG_TRY(learn_(known_, type));
  return known_.properties[type];
}

}  // namespace rig::vm::qemu
