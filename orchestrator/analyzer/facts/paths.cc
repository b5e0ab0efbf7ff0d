// SPDX-License-Identifier: Apache-2.0
#include "analyzer/facts/paths.h"

#include <algorithm>
#include <vector>

namespace rig::analyzer {
namespace {

constexpr unsigned kMaxNames = 4096;         // PATH_MAX characters hold no more names
constexpr std::uint64_t kMaxFileName = 255;  // NAME_MAX
constexpr std::uint64_t kMaxPath = 8 << 10;
constexpr std::uint64_t kMaxTypeName = 64;
constexpr std::string_view kUnreadable = "<unreadable>";
constexpr std::string_view kDeleted = " (deleted)";

struct Named {
  std::uint64_t number;
  std::string_view name;
};
// include/linux/socket.h, include/linux/net.h, include/uapi/linux/in.h
constexpr Named kSocketFamilies[] = {{1, "unix"},    {2, "IPv4"},    {10, "IPv6"},  {16, "netlink"},
                                     {17, "packet"}, {38, "AF_ALG"}, {40, "vsock"}, {44, "XDP"}};
constexpr Named kSocketTypes[] = {{1, "stream"}, {2, "datagram"}, {3, "raw"}, {5, "seqpacket"}};
constexpr Named kProtocols[] = {
    {1, "ICMP"}, {6, "TCP"}, {17, "UDP"}, {58, "ICMPv6"}, {132, "SCTP"}};

template <std::size_t N>
std::string name_of(const Named (&table)[N], std::uint64_t number, std::string_view what) {
  const auto found = std::ranges::find(table, number, &Named::number);
  return found != std::end(table) ? std::string(found->name) : fmt::format("{} {}", what, number);
}

}  // namespace

std::optional<GuestPath> PathReader::path_at(VirtAddr at) const {
  const auto mount = fields_.pointer(at, "path.mnt");
  const auto dentry = fields_.pointer(at, "path.dentry");
  if (!mount || !dentry) return std::nullopt;
  return GuestPath{*mount, *dentry};
}

std::string PathReader::dentry_name(VirtAddr dentry) const {
  const auto at = fields_.pointer(dentry, "dentry.d_name.name");
  const auto length = fields_.value(dentry, "dentry.d_name.len");
  if (!at || !length) return std::string(kUnreadable);
  auto name = fields_.kernel().memory().c_string(*at, std::min(*length, kMaxFileName));
  if (name.empty() && *length != 0) return std::string(kUnreadable);
  return name;
}

// d_unlinked(): in no hash chain, and no root.
bool PathReader::deleted(VirtAddr dentry) const {
  const auto chain = fields_.value(dentry, "dentry.d_hash.pprev");
  const auto parent = fields_.value(dentry, "dentry.d_parent");
  return chain && *chain == 0 && parent && *parent != raw(dentry);
}

std::optional<VirtAddr> PathReader::mount_of(VirtAddr vfsmount) const {
  const auto inner = fields_.member("mount.mnt");
  return inner ? std::optional(vfsmount - inner->offset) : std::nullopt;
}

std::string PathReader::filesystem(VirtAddr superblock) const {
  const auto type = fields_.pointer(superblock, "super_block.s_type");
  std::string name = type ? fields_.string(*type, "file_system_type.name", kMaxTypeName) : "";
  const auto subtype = fields_.string(superblock, "super_block.s_subtype", kMaxTypeName);
  if (!subtype.empty()) name += "." + subtype;
  return name;
}

// "socket:[7] (IPv4 stream TCP)"
std::string PathReader::socket_name(VirtAddr inode) const {
  const auto inner = fields_.member("socket_alloc.vfs_inode");
  if (!inner) return {};
  const VirtAddr socket = inode - inner->offset;  // struct socket is the first member
  const auto type = fields_.value(socket, "socket.type");
  const auto sock = fields_.pointer(socket, "socket.sk");
  const auto family = sock ? fields_.value(*sock, "sock.__sk_common.skc_family") : std::nullopt;
  if (!family || !type) return {};
  std::string words = fmt::format(" ({} {}", name_of(kSocketFamilies, *family, "family"),
                                  name_of(kSocketTypes, *type, "type"));
  const auto protocol = fields_.value(*sock, "sock.sk_protocol");
  constexpr std::uint64_t kIpv4 = 2, kIpv6 = 10;
  if (protocol && *protocol != 0 && (*family == kIpv4 || *family == kIpv6)) {
    words += " " + name_of(kProtocols, *protocol, "protocol");
  }
  return words + ")";
}

// What the d_dname() of filesystems without directories prints; empty: it is none of them.
std::string PathReader::special_name(VirtAddr dentry) const {
  const auto superblock = fields_.pointer(dentry, "dentry.d_sb");
  const auto at = inode(dentry);
  if (!superblock || !at) return {};
  const auto type = filesystem(*superblock);
  const auto number = fields_.value(*at, "inode.i_ino").value_or(0);
  if (type == "pipefs") return fmt::format("pipe:[{}]", number);
  if (type == "sockfs") return fmt::format("socket:[{}]{}", number, socket_name(*at));
  if (type == "anon_inodefs") return "anon_inode:" + dentry_name(dentry);
  if (type == "nsfs") return fmt::format("ns:[{}]", number);
  return {};
}

std::string PathReader::name(const GuestPath& path) const {
  if (auto special = special_name(path.dentry); !special.empty()) return special;
  std::vector<std::string> parts;  // the last first
  std::uint64_t length = 0;
  VirtAddr dentry = path.dentry;
  auto mount = mount_of(path.mount);
  std::string start;
  for (unsigned step = 0;; ++step) {
    if (step == kMaxNames || length > kMaxPath || steps_left_ == 0) {
      start = "<endless>";
      break;
    }
    --steps_left_;
    const auto top = mount ? fields_.value(*mount, "mount.mnt.mnt_root") : std::nullopt;
    const auto parent = fields_.value(dentry, "dentry.d_parent");
    if (!top || !parent) {
      start = kUnreadable;
      break;
    }
    if (raw(dentry) == *top) {
      const auto above = fields_.pointer(*mount, "mount.mnt_parent");
      const auto place = fields_.pointer(*mount, "mount.mnt_mountpoint");
      if (!above || !place || *above == *mount) break;
      mount = above;
      dentry = *place;
      continue;
    }
    parts.push_back(dentry_name(dentry));
    length += parts.back().size() + 1;
    // A root that is not its mount's: a file that was never in a directory, such as a memfd.
    if (*parent == raw(dentry)) return "/" + parts.front() + std::string(kDeleted);
    dentry = VirtAddr{*parent};
  }
  std::string text = start;
  for (auto each = parts.rbegin(); each != parts.rend(); ++each) text += "/" + *each;
  if (text.empty()) text = "/";
  if (deleted(path.dentry)) text += kDeleted;
  return text;
}

}  // namespace rig::analyzer
