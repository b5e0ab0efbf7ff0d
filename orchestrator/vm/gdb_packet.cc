// SPDX-License-Identifier: Apache-2.0
#include "vm/gdb_packet.h"

#include <fmt/format.h>

#include <charconv>

namespace rig::vm {
namespace {

constexpr char kEscapeBit = 0x20;  // '}' is followed by the byte with this bit turned over
constexpr int kRepeatBase = 29;    // 'x*' and a byte: x, and byte - 29 more of it

std::uint8_t sum_of(std::string_view bytes) {
  unsigned sum = 0;
  for (const char c : bytes) sum += static_cast<unsigned char>(c);
  return static_cast<std::uint8_t>(sum);
}

template <class Number>
std::optional<Number> parse_hex(std::string_view digits) {
  Number value{};
  const char* end = digits.data() + digits.size();
  const auto [at, error] = std::from_chars(digits.data(), end, value, 16);
  if (error != std::errc{} || at != end) return std::nullopt;
  return value;
}

}  // namespace

std::string gdb_packet(std::string_view payload) {
  std::string body;
  for (const char c : payload) {
    const bool special = c == '$' || c == '#' || c == '}' || c == '*';
    if (special) body += '}';
    body += special ? static_cast<char>(c ^ kEscapeBit) : c;
  }
  return fmt::format("${}#{:02x}", body, sum_of(body));
}

void GdbDecoder::feed(std::string_view bytes) {
  if (error_.empty()) buffer_.append(bytes);
}

std::optional<std::string> GdbDecoder::fail(std::string why) {
  error_ = std::move(why);
  buffer_.clear();
  return std::nullopt;
}

std::optional<std::string> GdbDecoder::next() {
  while (!buffer_.empty() && buffer_.front() == '+') buffer_.erase(0, 1);  // our packet arrived
  if (buffer_.empty()) return std::nullopt;
  if (buffer_.front() == '-') return fail("it did not understand a packet");
  if (buffer_.front() != '$') return fail("what it sends is no packet");
  const auto hash = buffer_.find('#');
  if (std::min(hash, buffer_.size()) > kMaxPayload) return fail("it sends too long a packet");
  if (hash == std::string::npos || buffer_.size() < hash + 3) return std::nullopt;
  const std::string body = buffer_.substr(1, hash - 1);
  const auto sum = parse_hex<std::uint8_t>(std::string_view(buffer_).substr(hash + 1, 2));
  if (sum != sum_of(body)) return fail("the sum of a packet is wrong");
  buffer_.erase(0, hash + 3);
  return decode(body);
}

std::optional<std::string> GdbDecoder::decode(std::string_view body) {
  std::string payload;
  for (std::size_t i = 0; i < body.size(); ++i) {
    if (body[i] != '}' && body[i] != '*') {
      payload += body[i];
      continue;
    }
    if (i + 1 == body.size()) return fail("a packet ends within an escape");
    ++i;
    if (body[i - 1] == '}') {
      payload += static_cast<char>(body[i] ^ kEscapeBit);
      continue;
    }
    const int count = static_cast<unsigned char>(body[i]) - kRepeatBase;
    if (payload.empty() || count < 1) return fail("a packet repeats nothing");
    payload.append(static_cast<std::size_t>(count), payload.back());
    if (payload.size() > kMaxPayload) return fail("it sends too long a packet");
  }
  return payload;
}

std::optional<GdbStop> parse_gdb_stop(std::string_view payload) {
  if (payload.size() < 3 || (payload[0] != 'T' && payload[0] != 'S')) return std::nullopt;
  const auto signal = parse_hex<std::uint8_t>(payload.substr(1, 2));
  if (!signal) return std::nullopt;
  GdbStop stop{.signal = *signal, .cpu = {}};
  constexpr std::string_view kThread = "thread:";
  auto at = payload.find(kThread);
  if (payload[0] == 'S' || at == std::string_view::npos) return stop;
  std::string_view id = payload.substr(at + kThread.size());
  id = id.substr(0, id.find(';'));
  if (!id.empty() && id[0] == 'p') {  // "pPROCESS.THREAD"
    at = id.find('.');
    id = at == std::string_view::npos ? std::string_view() : id.substr(at + 1);
  }
  const auto thread = parse_hex<unsigned>(id);
  if (thread && *thread > 0) stop.cpu = *thread - 1;
  return stop;
}

std::optional<std::uint64_t> gdb_register(std::string_view dump, std::size_t offset) {
  constexpr std::size_t kBytes = 8;
  if (dump.size() / 2 < kBytes || offset > dump.size() / 2 - kBytes) return std::nullopt;
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < kBytes; ++i) {
    const auto byte = parse_hex<std::uint8_t>(dump.substr(2 * (offset + i), 2));
    if (!byte) return std::nullopt;
    value |= std::uint64_t{*byte} << (8 * i);
  }
  return value;
}

}  // namespace rig::vm
