// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "analyzer/facts/mounts.h"
#include "analyzer/facts/open_files.h"
#include "analyzer/facts/swaps.h"
#include "fakes/fake_guest.h"

namespace rig::analyzer {
namespace {

using fake::FakeGuest;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::StartsWith;

constexpr std::uint64_t kRegular = 0100644, kDirectory = 0040755, kFifo = 0010600,
                        kSocket = 0140777, kBlock = 0060660;

// A root filesystem with /tmp, where a tmpfs is mounted, and one task that has files open.
class Files : public testing::Test {
 protected:
  Files() {
    FakeGuest& g = guest;
    g.type("file_system_type", {{"name", g.pointer}});
    g.type("super_block", {{"s_type", g.pointer}, {"s_subtype", g.pointer}, {"s_flags", g.u64}});
    const int inode = g.type("inode", {{"i_mode", g.u32}, {"i_ino", g.u64}});
    const int socket = g.type("socket", {{"type", g.u32}, {"sk", g.pointer}});
    g.type("socket_alloc", {{"socket", socket}, {"vfs_inode", inode}});
    const int common = g.type("sock_common", {{"skc_family", g.u32}});
    g.type("sock", {{"__sk_common", common}, {"sk_protocol", g.u32}});
    const int name = g.type("qstr", {{"len", g.u32}, {"name", g.pointer}});
    const int hash = g.type("hlist_bl_node", {{"next", g.pointer}, {"pprev", g.pointer}});
    g.type("dentry", {{"d_hash", hash},
                      {"d_parent", g.pointer},
                      {"d_name", name},
                      {"d_inode", g.pointer},
                      {"d_sb", g.pointer}});
    const int vfsmount =
        g.type("vfsmount", {{"mnt_root", g.pointer}, {"mnt_sb", g.pointer}, {"mnt_flags", g.u32}});
    g.type("mount", {{"mnt_parent", g.pointer},
                     {"mnt_mountpoint", g.pointer},
                     {"mnt", vfsmount},
                     {"mnt_list", g.list_head},
                     {"mnt_devname", g.pointer}});
    const int path = g.type("path", {{"mnt", g.pointer}, {"dentry", g.pointer}});
    g.type("file", {{"f_path", path}, {"f_inode", g.pointer}});
    g.type("fdtable", {{"max_fds", g.u32}, {"fd", g.pointer}});
    g.type("files_struct", {{"fdt", g.pointer}});
    g.type("fs_struct", {{"root", path}, {"pwd", path}});
    g.type("mnt_namespace", {{"list", g.list_head}});
    g.type("nsproxy", {{"mnt_ns", g.pointer}});
    g.type("task_struct", {{"fs", g.pointer}, {"files", g.pointer}, {"nsproxy", g.pointer}});
    g.type("swap_info_struct", {{"flags", g.u64},
                                {"prio", g.u32},
                                {"pages", g.u32},
                                {"inuse_pages", g.u32},
                                {"swap_file", g.pointer}});
    rootfs = superblock("rootfs");
    root = dentry("/", {}, rootfs, kDirectory);
    top = mount(rootfs, root, {}, {});
    tmp = dentry("tmp", root, rootfs, kDirectory);
    tmpfs = superblock("tmpfs");
    tmp_root = dentry("/", {}, tmpfs, kDirectory);
    tmp_mount = mount(tmpfs, tmp_root, top, tmp);
    task = g.make("task_struct");
  }

  VirtAddr superblock(std::string_view type) {
    const VirtAddr kind = guest.make("file_system_type"), at = guest.make("super_block");
    guest.set_string(kind, "file_system_type.name", type);
    guest.set(at, "super_block.s_type", kind);
    return at;
  }
  VirtAddr dentry(std::string_view name, VirtAddr parent, VirtAddr sb, std::uint64_t mode) {
    const VirtAddr at = guest.make("dentry"), inode = guest.make("inode");
    guest.set(inode, "inode.i_mode", mode);
    guest.set(inode, "inode.i_ino", 77);
    guest.set(at, "dentry.d_parent", raw(parent) == 0 ? at : parent);
    guest.set_string(at, "dentry.d_name.name", name);
    guest.set(at, "dentry.d_name.len", name.size());
    guest.set(at, "dentry.d_inode", inode);
    guest.set(at, "dentry.d_sb", sb);
    guest.set(at, "dentry.d_hash.pprev", 1);
    return at;
  }
  VirtAddr mount(VirtAddr sb, VirtAddr top_dentry, VirtAddr parent, VirtAddr place) {
    const VirtAddr at = guest.make("mount");
    guest.set(at, "mount.mnt.mnt_root", top_dentry);
    guest.set(at, "mount.mnt.mnt_sb", sb);
    guest.set(at, "mount.mnt_parent", raw(parent) == 0 ? at : parent);
    guest.set(at, "mount.mnt_mountpoint", raw(place) == 0 ? top_dentry : place);
    guest.set_string(at, "mount.mnt_devname", "dev");
    return at;
  }
  GuestPath path(VirtAddr mount_at, VirtAddr dentry_at) {
    return {guest.place(mount_at, "mount.mnt"), dentry_at};
  }
  VirtAddr file(VirtAddr mount_at, VirtAddr dentry_at) {
    const VirtAddr at = guest.make("file");
    guest.set(at, "file.f_path.mnt", guest.place(mount_at, "mount.mnt"));
    guest.set(at, "file.f_path.dentry", dentry_at);
    return at;
  }
  std::string name(VirtAddr mount_at, VirtAddr dentry_at) {
    return PathReader(guest.kernel()).name(path(mount_at, dentry_at));
  }
  void open(const std::vector<VirtAddr>& files, std::uint64_t max) {
    const VirtAddr array = guest.room(files.size() * 8);
    for (std::size_t i = 0; i < files.size(); ++i) {
      guest.memory.put(raw(array) + i * 8, raw(files[i]));
    }
    const VirtAddr table = guest.make("fdtable"), owner = guest.make("files_struct");
    guest.set(table, "fdtable.max_fds", max);
    guest.set(table, "fdtable.fd", array);
    guest.set(owner, "files_struct.fdt", table);
    guest.set(task, "task_struct.files", owner);
  }

  FakeGuest guest;
  VirtAddr rootfs{}, root{}, top{}, tmp{}, tmpfs{}, tmp_root{}, tmp_mount{}, task{};
};

TEST_F(Files, APathGoesThroughMountsUpToTheRoot) {
  const VirtAddr folder = dentry("a", tmp_root, tmpfs, kDirectory);
  EXPECT_EQ(name(tmp_mount, dentry("b", folder, tmpfs, kRegular)), "/tmp/a/b");
  EXPECT_EQ(name(tmp_mount, tmp_root), "/tmp");
  EXPECT_EQ(name(top, root), "/");
}

TEST_F(Files, WhatWasDeletedIsMarked) {
  const VirtAddr gone = dentry("x", tmp_root, tmpfs, kRegular);
  guest.set(gone, "dentry.d_hash.pprev", 0);
  EXPECT_EQ(name(tmp_mount, gone), "/tmp/x (deleted)");
}

TEST_F(Files, FilesWithoutADirectoryHaveTheNamesThatProcShows) {
  const VirtAddr pipes = superblock("pipefs"), sockets = superblock("sockfs"),
                 anonymous = superblock("anon_inodefs");
  const VirtAddr top_pipe = dentry("/", {}, pipes, kDirectory);
  const VirtAddr pipe_mount = mount(pipes, top_pipe, {}, {});
  EXPECT_EQ(name(pipe_mount, dentry("", {}, pipes, kFifo)), "pipe:[77]");
  EXPECT_EQ(name(pipe_mount, dentry("[eventpoll]", {}, anonymous, 0)), "anon_inode:[eventpoll]");

  const VirtAddr both = guest.make("socket_alloc"), sock = guest.make("sock");
  guest.set(both, "socket_alloc.socket.type", 1);
  guest.set(both, "socket_alloc.socket.sk", sock);
  guest.set(both, "socket_alloc.vfs_inode.i_ino", 5);
  guest.set(sock, "sock.__sk_common.skc_family", 2);
  guest.set(sock, "sock.sk_protocol", 6);
  const VirtAddr socket = dentry("", {}, sockets, kSocket);
  guest.set(socket, "dentry.d_inode", guest.place(both, "socket_alloc.vfs_inode"));
  EXPECT_EQ(name(pipe_mount, socket), "socket:[5] (IPv4 stream TCP)");

  EXPECT_EQ(name(tmp_mount, dentry("memfd:cache", {}, tmpfs, kRegular)), "/memfd:cache (deleted)");
}

TEST_F(Files, ParentsThatRunInACircleEndTheName) {
  const VirtAddr a = dentry("a", tmp_root, tmpfs, kDirectory);
  const VirtAddr b = dentry("b", a, tmpfs, kDirectory);
  guest.set(a, "dentry.d_parent", b);
  EXPECT_THAT(name(tmp_mount, b), StartsWith("<endless>/"));
}

TEST_F(Files, AParentThatIsNotInTheCoreIsSaidInPlace) {
  const VirtAddr lost = dentry("leaf", VirtAddr{0xdead'0000}, tmpfs, kRegular);
  EXPECT_EQ(name(tmp_mount, lost), "<unreadable>/leaf");
}

TEST_F(Files, OpenFilesAreListedByDescriptor) {
  const VirtAddr fs = guest.make("fs_struct");
  guest.set(fs, "fs_struct.root.mnt", guest.place(top, "mount.mnt"));
  guest.set(fs, "fs_struct.root.dentry", root);
  guest.set(fs, "fs_struct.pwd.mnt", guest.place(tmp_mount, "mount.mnt"));
  guest.set(fs, "fs_struct.pwd.dentry", tmp_root);
  guest.set(task, "task_struct.fs", fs);
  const VirtAddr shown = file(tmp_mount, dentry("log", tmp_root, tmpfs, kRegular));
  open({VirtAddr{}, shown, VirtAddr{0xdead'0000}}, 3);
  const auto facts = task_files(PathReader(guest.kernel()), task);
  EXPECT_EQ(facts.root, "/");
  EXPECT_EQ(facts.directory, "/tmp");
  ASSERT_THAT(facts.files, SizeIs(2));
  EXPECT_EQ(facts.files[0].fd, 1u);
  EXPECT_EQ(facts.files[0].kind, "REG");
  EXPECT_EQ(facts.files[0].path, "/tmp/log");
  EXPECT_EQ(facts.files[1].path, "<unreadable>");
  EXPECT_THAT(facts.problems, IsEmpty());
}

TEST_F(Files, ATableOfDescriptorsOfAbsurdSizeIsReadAsFarAsItIsThere) {
  open({file(top, root)}, 0xffff'ffff);
  const auto facts = task_files(PathReader(guest.kernel()), task);
  EXPECT_FALSE(facts.files.empty());
  EXPECT_THAT(facts.problems, Contains(HasSubstr("claims 4294967295 entries")));
  EXPECT_THAT(facts.problems, Contains(HasSubstr("cannot be read")));
}

TEST_F(Files, ATaskWithoutFilesSaysSo) {
  EXPECT_THAT(task_files(PathReader(guest.kernel()), task).problems,
              ElementsAre(HasSubstr("no table of descriptors")));
}

TEST_F(Files, MountsAreListedWithoutTheCursorsOfReaders) {
  const VirtAddr space = guest.make("mnt_namespace"), proxy = guest.make("nsproxy");
  guest.set(task, "task_struct.nsproxy", proxy);
  guest.set(proxy, "nsproxy.mnt_ns", space);
  const VirtAddr cursor = guest.make("mount");
  guest.set(cursor, "mount.mnt.mnt_flags", 0x1000'0000);
  guest.set(tmp_mount, "mount.mnt.mnt_flags", 0x23);
  guest.link(guest.place(space, "mnt_namespace.list"), "mount.mnt_list", {top, cursor, tmp_mount});
  std::vector<std::string> problems;
  const auto mounts = mount_facts(PathReader(guest.kernel()), task, problems);
  ASSERT_THAT(mounts, SizeIs(2));
  EXPECT_EQ(mounts[0].directory, "/");
  EXPECT_EQ(mounts[1].directory, "/tmp");
  EXPECT_EQ(mounts[1].type, "tmpfs");
  EXPECT_EQ(mounts[1].device, "dev");
  EXPECT_EQ(mounts[1].options, "rw,nosuid,nodev,relatime");
  EXPECT_THAT(problems, IsEmpty());
}

TEST_F(Files, ABrokenListOfMountsKeepsWhatWasBefore) {
  const VirtAddr space = guest.make("mnt_namespace"), proxy = guest.make("nsproxy");
  guest.set(task, "task_struct.nsproxy", proxy);
  guest.set(proxy, "nsproxy.mnt_ns", space);
  guest.link(guest.place(space, "mnt_namespace.list"), "mount.mnt_list", {top, tmp_mount});
  guest.memory.put(raw(guest.place(tmp_mount, "mount.mnt_list")), std::uint64_t{0});
  std::vector<std::string> problems;
  EXPECT_THAT(mount_facts(PathReader(guest.kernel()), task, problems), SizeIs(2));
  EXPECT_THAT(problems, ElementsAre(HasSubstr("leads to NULL")));
}

TEST(MountOptions, TheSuperblockCanMakeAMountReadOnly) {
  EXPECT_EQ(mount_options(0, 0), "rw");
  EXPECT_EQ(mount_options(1, 0x8), "ro,noatime");
  EXPECT_EQ(mount_options(0x10, 0x40), "ro,sync");
}

TEST_F(Files, SwapAreasAreReadAndAbsurdCountsBounded) {
  const VirtAddr area = guest.make("swap_info_struct"), table = guest.room(32 * 8);
  guest.memory.put(raw(table), raw(area));
  guest.set(area, "swap_info_struct.flags", 3);
  guest.set(area, "swap_info_struct.pages", 100);
  guest.set(area, "swap_info_struct.inuse_pages", 25);
  guest.set(area, "swap_info_struct.prio", 0xffff'fffe);
  guest.set(area, "swap_info_struct.swap_file",
            file(tmp_mount, dentry("swap", tmp_root, tmpfs, kBlock)));
  guest.symbol("swap_info", table);
  guest.variable("nr_swapfiles", 1000);
  std::vector<std::string> problems;
  const auto areas = swap_facts(PathReader(guest.kernel()), 4096, problems);
  ASSERT_TRUE(areas);
  ASSERT_THAT(*areas, SizeIs(1));
  EXPECT_EQ(areas->front().path, "/tmp/swap");
  EXPECT_TRUE(areas->front().partition);
  EXPECT_EQ(areas->front().bytes, 100u * 4096);
  EXPECT_EQ(areas->front().used, 25u * 4096);
  EXPECT_EQ(areas->front().priority, -2);
  EXPECT_THAT(problems, ElementsAre(HasSubstr("claims 1000")));
}

TEST_F(Files, WithoutTheNumberOfSwapAreasTheFirstEmptyPlaceEndsTheirTable) {
  const VirtAddr area = guest.make("swap_info_struct"), table = guest.room(32 * 8);
  guest.set(area, "swap_info_struct.flags", 3);
  guest.memory.put(raw(table), raw(area));
  guest.memory.put(raw(table) + 8, raw(area));
  guest.memory.put(raw(table) + 24, raw(area));
  guest.symbol("swap_info", table);
  std::vector<std::string> problems;
  const auto areas = swap_facts(PathReader(guest.kernel()), 4096, problems);
  ASSERT_TRUE(areas);
  EXPECT_THAT(*areas, SizeIs(2));
  EXPECT_THAT(problems, IsEmpty());
}

TEST_F(Files, WithoutTheTableOfSwapAreasItIsNotKnownWhetherThereAreAny) {
  std::vector<std::string> problems;
  EXPECT_FALSE(swap_facts(PathReader(guest.kernel()), 4096, problems));
  EXPECT_THAT(problems, SizeIs(1));
}

}  // namespace
}  // namespace rig::analyzer
