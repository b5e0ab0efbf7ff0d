// SPDX-License-Identifier: Apache-2.0
#include "image/kernel_cache.h"

#include <boost/json.hpp>
#include <chrono>

#include "image/modes.h"

namespace rig::image {
namespace json = boost::json;
namespace {

constexpr std::int64_t kLayout = 1;  // raise it when an unpacked kernel's layout changes
constexpr const char* kManifestName = "kernel.json";

std::optional<json::object> read_object(const fs::path& path) {
  const auto text = read_file(path, 1 << 20);
  if (!text) return std::nullopt;
  boost::system::error_code error;
  const json::value value = json::parse(*text, error);
  if (error || !value.is_object()) return std::nullopt;
  return value.get_object();
}

std::string text_of(const json::object& object, const char* key) {
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

std::int64_t number_of(const json::object& object, const char* key) {
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_int64() ? value->get_int64() : 0;
}

Status write_object(const fs::path& path, const json::object& object) {
  return write_file_atomically(path, json::serialize(object) + "\n");
}

double seconds_of(const json::object& object, const char* key) {
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_number() ? value->to_number<double>() : 0;
}

std::string now() {
  const auto time = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  std::tm parts{};
  ::gmtime_r(&time, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

}  // namespace

Result<KernelCache> KernelCache::open() {
  RIG_ASSIGN(const fs::path cache, cache_dir());
  const fs::path folder = cache / "kernels";
  RIG_TRY(make_folder(folder));
  return KernelCache(folder);
}

fs::path KernelCache::kernel_folder(const PackageVersion& kernel) const {
  return folder_ / fmt::format("{}_{}", kernel.package, kernel.version);
}

fs::path KernelCache::lock_file(const PackageVersion& kernel) const {
  return folder_ / fmt::format("{}_{}.lock", kernel.package, kernel.version);
}

std::optional<Manifest> KernelCache::find(const PackageVersion& kernel) const {
  const fs::path folder = kernel_folder(kernel);
  const auto object = read_object(folder / kManifestName);
  if (!object || number_of(*object, "layout") != kLayout) return std::nullopt;
  const json::value* pvh = object->if_contains("pvh");
  Manifest found{{text_of(*object, "package"), text_of(*object, "version")},
                 text_of(*object, "release"),
                 text_of(*object, "vmlinuz"),
                 text_of(*object, "vmlinux"),
                 pvh != nullptr && pvh->is_bool() && pvh->get_bool(),
                 text_of(*object, "modules"),
                 text_of(*object, "build"),
                 text_of(*object, "compiler"),
                 text_of(*object, "debuginfo"),
                 static_cast<std::uint64_t>(number_of(*object, "objects")),
                 seconds_of(*object, "seconds"),
                 seconds_of(*object, "cpu_seconds")};
  std::error_code ignored;
  const bool whole =
      found.kernel == kernel && !found.vmlinuz.empty() &&
      fs::is_regular_file(folder / found.vmlinuz, ignored) &&
      (found.vmlinux.empty() || fs::is_regular_file(folder / found.vmlinux, ignored)) &&
      fs::is_directory(folder / found.modules, ignored) &&
      fs::is_directory(folder / found.build, ignored);
  return whole ? std::optional(found) : std::nullopt;
}

std::optional<Resolution> KernelCache::resolution(const std::string& request) const {
  const auto object = read_object(folder_ / (request + ".json"));
  if (!object) return std::nullopt;
  Resolution found{{text_of(*object, "package"), text_of(*object, "version")},
                   number_of(*object, "lists_time")};
  if (found.kernel.package.empty() || found.kernel.version.empty()) return std::nullopt;
  return found;
}

Status KernelCache::save_resolution(const std::string& request,
                                    const Resolution& resolution) const {
  return write_object(folder_ / (request + ".json"), {{"package", resolution.kernel.package},
                                                      {"version", resolution.kernel.version},
                                                      {"lists_time", resolution.lists_time},
                                                      {"resolved", now()}});
}

Status write_manifest(const fs::path& kernel_folder, const Manifest& manifest) {
  return write_object(kernel_folder / kManifestName, {{"layout", kLayout},
                                                      {"package", manifest.kernel.package},
                                                      {"version", manifest.kernel.version},
                                                      {"release", manifest.release},
                                                      {"vmlinuz", manifest.vmlinuz.string()},
                                                      {"vmlinux", manifest.vmlinux.string()},
                                                      {"pvh", manifest.pvh},
                                                      {"modules", manifest.modules.string()},
                                                      {"build", manifest.build.string()},
                                                      {"compiler", manifest.compiler},
                                                      {"debuginfo", manifest.debuginfo.string()},
                                                      {"objects", manifest.objects},
                                                      {"seconds", manifest.seconds},
                                                      {"cpu_seconds", manifest.cpu_seconds},
                                                      {"unpacked", now()}});
}

}  // namespace rig::image
