// SPDX-License-Identifier: Apache-2.0
// vtop: how an address is translated, entry by entry, and the page that it lies in.
#include "analyzer/guest_json.h"
#include "analyzer/inspect/answers.h"
#include "analyzer/inspect/options.h"
#include "analyzer/inspect/page_words.h"
#include "analyzer/inspect/place.h"
#include "base/text.h"

namespace rig::analyzer {
namespace {

constexpr OptionSpec kVtop{"vtop", "p", "", "ADDR|SYMBOL ... | -p PHYSICAL ..."};

std::string size_words(std::uint64_t size) {
  if (size >= 1 << 30) return fmt::format("{} GiB", size >> 30);
  if (size >= 1 << 20) return fmt::format("{} MiB", size >> 20);
  return fmt::format("{} KiB", size >> 10);
}

class VtopAnswer {
 public:
  VtopAnswer(const Kernel& kernel, const Architecture& arch, const AddressSpace& space)
      : kernel_(kernel), layout_(arch.layout(kernel)), space_(space) {}

  void add_virtual(VirtAddr address) {
    const PageWalk walked = space_.describe(address);
    boost::json::object json{{"virtual", hex(address)}};
    begin_entry();
    std::optional<PhysAddr> physical;
    if (walked.result) physical = walked.result->to + (address - walked.result->begin);
    text_ += fmt::format("{:<16}  {}\n", "VIRTUAL", "PHYSICAL");
    std::string where = physical ? fmt::format("{:x}", raw(*physical))
                                 : fmt::format("({})", to_string(walked.result.error().why));
    // The kernel's own tables say nothing of what processes have there.
    if (!physical && raw(address) >> 63 == 0)
      where = "(a user address: only the kernel's are translated)";
    text_ += fmt::format("{:<16x}  {}\n", raw(address), where);
    if (!walked.steps.empty() || physical) text_ += '\n';
    boost::json::array steps;
    for (const PageTableStep& step : walked.steps) steps.push_back(add_step(step));
    json["walk"] = std::move(steps);
    if (physical) {
      const Mapping& leaf = *walked.result;
      text_ += fmt::format("  PAGE: {:x}  ({})\n", raw(leaf.to), size_words(leaf.size));
      json["physical"] = hex(raw(*physical));
      json["page_size"] = leaf.size;
      add_page(*physical, json);
    } else {
      json["why"] = utf8(to_string(walked.result.error().why));
    }
    json_.push_back(std::move(json));
  }

  void add_physical(PhysAddr address) {
    begin_entry();
    boost::json::object json{{"physical", hex(raw(address))}};
    std::optional<VirtAddr> mapped;
    if (layout_.direct_map) {
      const VirtAddr there = *layout_.direct_map + raw(address);
      const auto back = kernel_.memory().translate(there);
      if (back && *back == address) mapped = there;
    }
    text_ += fmt::format("{:<16}  {}\n", "VIRTUAL", "PHYSICAL");
    text_ += fmt::format("{:<16}  {:x}\n",
                         mapped ? fmt::format("{:x}", raw(*mapped)) : "(not mapped)", raw(address));
    if (mapped) json["virtual"] = hex(*mapped);
    add_page(address, json);
    json_.push_back(std::move(json));
  }

  Answer finish() {
    return {std::move(text_), boost::json::serialize(json_.size() == 1 ? json_[0] : json_)};
  }

 private:
  void begin_entry() {
    if (!text_.empty()) text_ += '\n';
  }

  boost::json::object add_step(const PageTableStep& step) {
    boost::json::object json{{"level", step.level}, {"at", hex(raw(step.at))}};
    if (!step.entry) {
      text_ += fmt::format("   {}: {:x} => (not in the core)\n", step.level, raw(step.at));
      return json;
    }
    text_ += fmt::format("   {}: {:x} => {:x}", step.level, raw(step.at), *step.entry);
    text_ += step.flags.empty() ? "\n" : fmt::format("  ({})\n", step.flags);
    json["entry"] = hex(*step.entry);
    json["flags"] = step.flags;
    return json;
  }

  void add_page(PhysAddr address, boost::json::object& json) {
    const auto page = read_page_words(kernel_, layout_, address);
    if (!page) return;
    text_ += fmt::format("\n{:>16}  {:>12}  {:>16}  {:>8}  {:>4}  {:>5}  {}\n", "PAGE", "PHYSICAL",
                         "MAPPING", "INDEX", "REFS", "MAPS", "FLAGS");
    const auto number = [](const std::optional<std::int64_t>& value) {
      return value ? fmt::format("{}", *value) : std::string("?");
    };
    const auto digits = [](const std::optional<std::uint64_t>& value) {
      return value ? fmt::format("{:x}", *value) : std::string("?");
    };
    text_ += fmt::format("{:16x}  {:12x}  {:>16}  {:>8}  {:>4}  {:>5}  {} {}\n", raw(page->at),
                         align_down(raw(address), layout_.page_size), digits(page->mapping),
                         digits(page->index), number(page->references), number(page->maps),
                         digits(page->flags), page->flag_names);
    boost::json::object described{{"at", hex(page->at)}, {"flags", page->flag_names}};
    if (page->references) described["references"] = *page->references;
    if (page->maps) described["maps"] = *page->maps;
    if (page->mapping) described["mapping"] = hex(*page->mapping);
    if (page->index) described["index"] = *page->index;
    json["page"] = std::move(described);
  }

  const Kernel& kernel_;
  KernelLayout layout_;
  const AddressSpace& space_;
  std::string text_;
  boost::json::array json_;
};

}  // namespace

Result<Answer> answer_vtop(Session& session, Arguments arguments) {
  RIG_ASSIGN(const Kernel* kernel, session.kernel());
  RIG_ASSIGN(const AddressSpace* space, session.address_space());
  RIG_ASSIGN(const GivenOptions options, parse_options(kVtop, arguments));
  if (options.words.empty()) return misused(kVtop, "wants an address");
  VtopAnswer answer(*kernel, session.arch(), *space);
  for (const std::string& word : options.words) {
    RIG_ASSIGN(const VirtAddr address, parse_place(*kernel, word));
    if (options.has('p')) {
      answer.add_physical(PhysAddr{raw(address)});
    } else {
      answer.add_virtual(address);
    }
  }
  return answer.finish();
}

}  // namespace rig::analyzer
