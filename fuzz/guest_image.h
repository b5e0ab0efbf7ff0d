// SPDX-License-Identifier: Apache-2.0
// A guest as the bytes that a fuzzer mutates: VMCOREINFO, one CPU's PRSTATUS and pieces of memory
// (virtual or physical, as the target says), so that every input byte is one that somebody reads.
//   u16 size, VMCOREINFO; u16 size, PRSTATUS; then pieces: u64 address, u16 size, bytes
#pragma once

#include <cstring>
#include <string>

#include "fakes/fake_memory.h"

namespace rig::fuzz {

struct GuestImage {
  std::string info;
  std::vector<std::byte> prstatus;
  analyzer::fake::Pages pages;
};

inline constexpr std::size_t kPieceHeader = 10;

// Whatever the bytes are: what is cut ends the image.
inline GuestImage decode_image(ByteView bytes) {
  GuestImage image;
  ByteReader reader(bytes);
  const auto sized = [&] {
    const auto size = reader.next<std::uint16_t>();
    return size ? reader.take(*size) : std::nullopt;
  };
  const auto info = sized();
  if (info) image.info = as_text(*info);
  if (const auto prstatus = info ? sized() : std::nullopt) {
    image.prstatus.assign(prstatus->begin(), prstatus->end());
  }
  while (const auto address = reader.next<std::uint64_t>()) {
    const auto piece = sized();
    if (!piece) break;
    image.pages.write(*address, *piece);
  }
  return image;
}

// Without the zeroes: a page is cut into pieces where 16 of them lie in a row.
inline std::string encode_image(const GuestImage& image) {
  constexpr std::size_t kPage = analyzer::fake::Pages::kPage, kGap = 16;
  std::string out;
  const auto put = [&out](const auto& value) {
    out.append(reinterpret_cast<const char*>(&value), sizeof value);
  };
  const auto sized = [&](std::string_view text) {
    put(static_cast<std::uint16_t>(text.size()));
    out += text;
  };
  sized(image.info);
  sized(as_text(image.prstatus));
  for (const std::uint64_t number : image.pages.numbers()) {
    std::string page(kPage, '\0');
    (void)image.pages.read(number * kPage, std::as_writable_bytes(std::span(page)),
                           analyzer::Absence::kNotPresent);
    std::size_t begin = page.find_first_not_of('\0');
    if (begin == std::string::npos) begin = 0;
    while (begin != std::string::npos) {
      const auto gap = std::min(page.find(std::string(kGap, '\0'), begin), kPage);
      put(number * kPage + begin);
      sized(std::string_view(page).substr(begin, gap - begin));
      begin = page.find_first_not_of('\0', gap);
    }
  }
  return out;
}

}  // namespace rig::fuzz
