// SPDX-License-Identifier: Apache-2.0
#include "vm/libvirt/pool_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <map>
#include <mutex>
#include <pugixml.hpp>
#include <sstream>
#include <tuple>

#include "image/boot_image.h"

namespace rig::vm::libvirt {
namespace {

constexpr const char* kPool = "crashrig";
constexpr const char* kPoolFolder = "/var/lib/libvirt/crashrig";
constexpr std::string_view kWhole = ".whole";  // an empty volume: the one before it was sent whole

std::string to_text(const pugi::xml_document& document) {
  std::ostringstream text;
  document.save(text, "", pugi::format_raw | pugi::format_no_declaration);
  return text.str();
}

std::string pool_xml() {
  pugi::xml_document document;
  pugi::xml_node pool = document.append_child("pool");
  pool.append_attribute("type") = "dir";
  pool.append_child("name").text().set(kPool);
  pugi::xml_node target = pool.append_child("target");
  target.append_child("path").text().set(kPoolFolder);
  target.append_child("permissions").append_child("mode").text().set("0711");
  return to_text(document);
}

// Readable by whatever user QEMU runs as there.
std::string volume_xml(const std::string& name, std::uint64_t bytes) {
  pugi::xml_document document;
  pugi::xml_node volume = document.append_child("volume");
  volume.append_child("name").text().set(name.c_str());
  volume.append_child("capacity").text().set(std::to_string(bytes).c_str());
  volume.append_child("allocation").text().set("0");
  pugi::xml_node target = volume.append_child("target");
  target.append_child("format").append_attribute("type") = "raw";
  target.append_child("permissions").append_child("mode").text().set("0644");
  return to_text(document);
}

Result<fs::path> pool_folder(virStoragePool* pool) {
  const Owned<char> xml(virStoragePoolGetXMLDesc(pool, 0));
  if (!xml) return fail_libvirt("reading the storage pool");
  pugi::xml_document document;
  document.load_string(xml.get());
  return fs::path(document.child("pool").child("target").child("path").text().get());
}

int read_some(virStreamPtr, char* bytes, size_t size, void* file) {
  return static_cast<int>(::read(*static_cast<int*>(file), bytes, size));
}

int write_some(virStreamPtr, const char* bytes, size_t size, void* file) {
  return static_cast<int>(::write(*static_cast<int*>(file), bytes, size));
}

// Its digest costs 0.2 s for a kernel: once per process and file.
Result<std::string> digest_of(const fs::path& file) {
  using Key = std::tuple<std::string, std::int64_t, std::int64_t, std::int64_t>;
  static std::mutex mutex;
  static std::map<Key, std::string> known;
  struct stat info {};
  if (::stat(file.c_str(), &info) != 0) {
    return fail_errno(errno, fmt::format("cannot read {}", file.string()), Blame::kInput);
  }
  const Key key{file.string(), info.st_size, info.st_mtim.tv_sec, info.st_mtim.tv_nsec};
  const std::lock_guard lock(mutex);
  if (const auto entry = known.find(key); entry != known.end()) return entry->second;
  RIG_ASSIGN(const std::string digest, image::file_sha256(file));
  return known[key] = digest.substr(0, 24);
}

}  // namespace

Result<PoolFiles> PoolFiles::open(Connection connection) {
  Owned<virStoragePool> pool(virStoragePoolLookupByName(connection.get(), kPool));
  if (!pool) {
    pool.reset(virStoragePoolCreateXML(connection.get(), pool_xml().c_str(),
                                       VIR_STORAGE_POOL_CREATE_WITH_BUILD));
  }
  // Another run may have made it meanwhile.
  if (!pool) pool.reset(virStoragePoolLookupByName(connection.get(), kPool));
  if (!pool) return fail_libvirt("making the storage pool 'crashrig' for the guests' files");
  if (virStoragePoolIsActive(pool.get()) == 0) virStoragePoolCreate(pool.get(), 0);
  RIG_ASSIGN(fs::path folder, pool_folder(pool.get()));
  return PoolFiles(std::move(connection), std::move(pool), std::move(folder));
}

Owned<virStorageVol> PoolFiles::find(const std::string& name) const {
  return Owned<virStorageVol>(virStorageVolLookupByName(pool_.get(), name.c_str()));
}

Result<Owned<virStorageVol>> PoolFiles::create(const std::string& name, std::uint64_t bytes) {
  remove(name);
  Owned<virStorageVol> volume(
      virStorageVolCreateXML(pool_.get(), volume_xml(name, bytes).c_str(), 0));
  if (!volume) return fail_libvirt(fmt::format("making the volume {}", name));
  return volume;
}

Result<std::string> PoolFiles::send(const fs::path& local) {
  RIG_ASSIGN(const std::string digest, digest_of(local));
  const std::string name = fmt::format("{}-{}", digest, local.filename().string());
  const std::string mark = name + std::string(kWhole);
  if (find(name) && find(mark)) return path_of(name);
  const UniqueFd file(::open(local.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return fail_errno(errno, fmt::format("cannot read {}", local.string()), Blame::kInput);
  RIG_ASSIGN(const std::string path, send_as(name, file.get()));
  RIG_TRY(create(mark, 0));
  return path;
}

Result<std::string> PoolFiles::send_as(const std::string& name, int file) {
  struct stat info {};
  if (::fstat(file, &info) != 0) return fail_errno(errno, "cannot read a guest's file");
  RIG_ASSIGN(const Owned<virStorageVol> volume,
             create(name, static_cast<std::uint64_t>(info.st_size)));
  const Owned<virStream> stream(virStreamNew(connection_.get(), 0));
  const std::string doing = fmt::format("sending {} to the host", name);
  ::lseek(file, 0, SEEK_SET);
  if (!stream ||
      virStorageVolUpload(volume.get(), stream.get(), 0, static_cast<std::uint64_t>(info.st_size),
                          0) < 0 ||
      virStreamSendAll(stream.get(), read_some, &file) < 0 || virStreamFinish(stream.get()) < 0) {
    const auto failure = fail_libvirt(doing);
    virStorageVolDelete(volume.get(), 0);
    return failure;
  }
  return path_of(name);
}

Status PoolFiles::fetch(const std::string& name, int file) {
  const std::string doing = fmt::format("fetching {} from the host", name);
  if (virStoragePoolRefresh(pool_.get(), 0) < 0) return fail_libvirt(doing);
  const Owned<virStorageVol> volume = find(name);
  if (!volume) return fail_libvirt(doing);
  const Owned<virStream> stream(virStreamNew(connection_.get(), 0));
  if (!stream || virStorageVolDownload(volume.get(), stream.get(), 0, 0, 0) < 0 ||
      virStreamRecvAll(stream.get(), write_some, &file) < 0 || virStreamFinish(stream.get()) < 0) {
    return fail_libvirt(doing);
  }
  return {};
}

void PoolFiles::remove(const std::string& name) {
  if (const auto volume = find(name)) virStorageVolDelete(volume.get(), 0);
}

}  // namespace rig::vm::libvirt
