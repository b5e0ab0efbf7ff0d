// SPDX-License-Identifier: Apache-2.0
#include "vm/libvirt/host_uri.h"

#include "base/text.h"

namespace rig::vm::libvirt {
namespace {

constexpr std::string_view kEmbed = "embed";
constexpr const char* kForms =
    "one of: embed, qemu:///embed?root=DIR, qemu:///session, qemu:///system, "
    "qemu+ssh://HOST/system";

tl::unexpected<Error> refuse_uri(std::string_view text, std::string_view why) {
  return fail_hint(Blame::kInput, kForms, "'{}' is no libvirt URI for guests: {}", text, why);
}

// The value of `key` in "a=1&b=2"; empty when it is not there.
std::string parameter(std::string_view query, std::string_view key) {
  for (const std::string& pair : split(query, '&')) {
    const auto equals = pair.find('=');
    if (equals != std::string::npos && std::string_view(pair).substr(0, equals) == key) {
      return pair.substr(equals + 1);
    }
  }
  return {};
}

}  // namespace

bool looks_like_uri(std::string_view text) {
  return text == kEmbed || text.find("://") != std::string_view::npos;
}

Result<HostUri> parse_uri(std::string_view text) {
  if (text == kEmbed) return HostUri{.text = {}, .embedded = true, .shares_files = true};
  const auto colon = text.find("://");
  if (colon == std::string_view::npos) return refuse_uri(text, "it has no '://'");
  const std::string_view scheme = text.substr(0, colon);
  if (scheme != "qemu" && !scheme.starts_with("qemu+")) {
    return refuse_uri(text, "only its QEMU driver dumps a guest's memory");
  }
  const std::string_view rest = text.substr(colon + 3);
  const auto slash = rest.find('/');
  if (slash == std::string_view::npos) return refuse_uri(text, "it has no path");
  const std::string_view host = rest.substr(0, slash);
  const auto question = rest.find('?');
  const std::string_view path = rest.substr(slash + 1, question - slash - 1);
  const std::string_view query =
      question == std::string_view::npos ? std::string_view() : rest.substr(question + 1);

  HostUri uri{.text = std::string(text), .remote = !host.empty()};
  if (path == kEmbed) {
    if (scheme != "qemu" || uri.remote) {
      return refuse_uri(text, "an embedded driver runs in this process, not elsewhere");
    }
    uri.root = parameter(query, "root");
    if (!uri.root.is_absolute()) {
      return refuse_uri(text, "an embedded driver needs its absolute folder, ?root=DIR");
    }
    uri.embedded = uri.shares_files = true;
    return uri;
  }
  if (path != "system" && path != "session") {
    return refuse_uri(text, fmt::format("its path is '/{}'", path));
  }
  uri.shares_files = !uri.remote && path == "session";
  return uri;
}

}  // namespace rig::vm::libvirt
