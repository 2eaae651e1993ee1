#include "proxy/pattern_set.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "proxy/escape.h"
#include "proxy/hex_view.h"
#include "proxy/text_marks.h"
#include "proxy/text_shape.h"
#include "proxy/text_view.h"
#include "proxy/value_forms.h"

namespace av::proxy {
namespace {

constexpr std::string_view kMaskText = "[redacted-by-agent-vault]";

// Kept beyond the longest pattern: an escape that is cut at the end, and what open_base64 and
// open_hex want to see of a line.
constexpr std::size_t kSlack = 16;
static_assert(kSlack >= kMaxEscape && kSlack >= kFullLine);

// How far from an escape a reading goes: a pattern, or a value's hex with separators.
constexpr std::size_t kSeparatedHex = 3;

}  // namespace

class GuardScratch {
 public:
  std::array<TextView, PatternSet::kLayers> layers;  // each of the one before
  std::size_t used_layers = 0;
  std::array<TextView, 3> by_kind;  // of the data: one kind of escapes alone
  std::size_t used_kinds = 0;
  TextMarks marks;  // of the text that is being read
  TextView joined;
  HexView hex;
  std::vector<PatternSearch::Match> matches;
  std::vector<Mask::Found> found;

  // From the text that `layer` layers have been taken off of, to the data itself.
  [[nodiscard]] std::size_t data_position(std::size_t layer, std::size_t at) const {
    while (layer > 0) {
      at = layers[--layer].source_at(at);
    }
    return at;
  }
  void add_found(std::size_t layer, std::size_t begin, std::size_t end) {
    while (layer > 0) {
      const TextView::Range range = layers[--layer].source_of(begin, end);
      begin = range.begin;
      end = range.end;
    }
    found.push_back({begin, end});
  }
};

void PatternSet::add_value(std::string_view value) {
  has_introducers_ = has_introducers_ || std::any_of(value.begin(), value.end(), is_introducer);
  for_each_form(value, kMinValue, [this](std::string_view form, FormKind kind) {
    search_.add(form);
    if (kind == FormKind::kPlain) {
      longest_plain_ = std::max(longest_plain_, form.size());
    }
  });
}

void PatternSet::add_literal(std::string_view pattern) {
  for (;;) {
    // Line by line: see undecided().
    const std::size_t line_feed = pattern.find('\n');
    const std::string_view line = pattern.substr(0, line_feed);
    if (line.size() >= kMinValue) {
      search_.add(line);
      longest_plain_ = std::max(longest_plain_, line.size());
    }
    if (line_feed == std::string_view::npos) {
      return;
    }
    pattern.remove_prefix(line_feed + 1);
  }
}

void PatternSet::compile() {
  search_.build();
}

// From where on one reading of the data is undecided. No pattern contains a line feed, so what is
// before the last one is decided, unless it is base64 or hex that may go on in the next line. So is
// what is more than the longest pattern away from the end.
std::size_t PatternSet::undecided(std::string_view text) const {
  if (text.empty()) {
    return 0;
  }
  const std::size_t held = search_.longest() - 1 + kSlack;
  const std::size_t by_length = text.size() > held ? text.size() - held : 0;
  const void* const line_feed = memrchr(text.data() + by_length, '\n', text.size() - by_length);
  const std::size_t decided =
      line_feed == nullptr
          ? by_length
          : static_cast<std::size_t>(static_cast<const char*>(line_feed) - text.data()) + 1;
  return std::min(
      {decided, open_base64(text, held + kSlack), open_hex(text, 2 * (longest_plain_ + kSlack))});
}

std::size_t PatternSet::settle(std::string_view data, const GuardScratch& scratch) const {
  const std::size_t layers = scratch.used_layers;
  std::size_t settled = undecided(data);
  for (std::size_t i = 0; i < layers && scratch.layers[i].reaches_end(); ++i) {
    settled = std::min(settled, scratch.data_position(i + 1, undecided(scratch.layers[i].text())));
  }
  for (std::size_t i = 0; i < scratch.used_kinds; ++i) {
    const TextView& view = scratch.by_kind[i];
    if (view.reaches_end()) {
      settled = std::min(settled, view.source_at(undecided(view.text())));
    }
  }
  if (data.size() - settled > kMaxHeld) {
    settled = data.size() - kMaxHeld;
  }
  // What is presented again must read as it did: not from inside an escape of any reading.
  for (bool moved = true; moved;) {
    moved = false;
    std::size_t at = settled;
    for (std::size_t i = 0; i < layers && at != TextView::kNone && !moved; ++i) {
      const std::size_t start = scratch.layers[i].aligned(at);
      moved = start != at;
      if (moved) {
        settled = scratch.data_position(i, start);
      } else {
        at = scratch.layers[i].position_of(at);
      }
    }
    for (std::size_t i = 0; i < scratch.used_kinds; ++i) {
      const std::size_t start = scratch.by_kind[i].aligned(settled);
      moved = moved || start != settled;
      settled = start;
    }
  }
  return settled;
}

void PatternSet::search_reading(std::size_t layer, std::string_view text,
                                GuardScratch& scratch) const {
  std::vector<PatternSearch::Match>& matches = scratch.matches;
  search_.find(text, matches);
  for (const PatternSearch::Match& m : matches) {
    scratch.add_found(layer, m.begin, m.begin + m.size);
  }
  matches.clear();
  const std::size_t least_hex = 2 * search_.shortest();
  scratch.marks.scan(text, least_hex, /*introducers=*/layer == 0);
  if (scratch.joined.join_lines(text, scratch.marks.breaks(), search_.shortest(),
                                search_.longest())) {
    search_.find(scratch.joined.text(), matches);
    for (const PatternSearch::Match& m : matches) {
      const TextView::Range range = scratch.joined.source_of(m.begin, m.begin + m.size);
      scratch.add_found(layer, range.begin, range.end);
    }
    matches.clear();
  }
  const std::size_t hex_from = scratch.marks.hex_from();
  if (hex_from != TextMarks::kNone && scratch.hex.decode(text, hex_from, least_hex)) {
    for (std::size_t way = 0; way < 2; ++way) {
      search_.find(scratch.hex.text(way), matches);
      for (const PatternSearch::Match& m : matches) {
        const TextView::Range range = scratch.hex.source_of(text, way, m.begin, m.begin + m.size);
        scratch.add_found(layer, range.begin, range.end);
      }
      matches.clear();
    }
  }
}

void PatternSet::search_by_kind(std::string_view data, std::size_t margin, bool last,
                                GuardScratch& scratch) const {
  scratch.marks.scan(data, 2 * search_.shortest());
  for (const char introducer : {'%', '\\', '&'}) {
    TextView& view = scratch.by_kind[scratch.used_kinds];
    if (!view.unescape(data, scratch.marks.introducers(), margin, last, introducer)) {
      continue;
    }
    ++scratch.used_kinds;
    search_.find(view.text(), scratch.matches);
    for (const PatternSearch::Match& m : scratch.matches) {
      const TextView::Range range = view.source_of(m.begin, m.begin + m.size);
      scratch.found.push_back({range.begin, range.end});
    }
    scratch.matches.clear();
  }
}

std::size_t PatternSet::find(std::string_view data, bool last, GuardScratch& scratch) const {
  scratch.found.clear();
  scratch.used_layers = 0;
  scratch.used_kinds = 0;
  const std::size_t margin =
      std::max(search_.longest(), kSeparatedHex * longest_plain_) + 2 * kSlack;
  std::string_view text = data;
  bool at_end = last;
  search_reading(0, text, scratch);
  std::span<const std::uint32_t> introducers = scratch.marks.introducers();
  while (scratch.used_layers < kLayers) {
    TextView& view = scratch.layers[scratch.used_layers];
    if (!view.unescape(text, introducers, margin, at_end)) {
      break;
    }
    introducers = view.introducers();
    at_end = at_end || !view.reaches_end();
    text = view.text();
    search_reading(++scratch.used_layers, text, scratch);
  }
  // A row of backslashes before an escape of another kind hides that for a layer with each halving:
  // where layers were not enough, one kind may still read the value.
  const bool hidden = scratch.used_layers == kLayers && !introducers.empty();
  if (scratch.used_layers != 0 && (has_introducers_ || hidden)) {
    search_by_kind(data, margin, last, scratch);
  }
  const std::size_t settled = last ? data.size() : settle(data, scratch);
  std::erase_if(scratch.found, [&](const Mask::Found& f) { return f.begin >= settled; });
  return settled;
}

PatternSet::Scrubbed PatternSet::scrub(std::span<char> data, bool last) const {
  Scrubbed result;
  result.settled = data.size();
  if (empty() || (last && data.size() < search_.shortest())) {
    return result;
  }
  GuardScratch scratch;
  Mask mask;
  result.settled = find(std::string_view(data.data(), data.size()), last, scratch);
  mask.paint(data, data.size(), scratch.found);
  result.hits = mask.hits();
  return result;
}

void Mask::fill(std::span<char> bytes) {
  for (char& c : bytes) {
    // Line breaks inside stay: what is decided at them is decided.
    if (c != '\n' && c != '\r') {
      c = words_ && painted_ < kMaskText.size() ? kMaskText[painted_] : '*';
      ++painted_;
    }
  }
}

void Mask::paint(std::span<char> data, std::size_t settled, std::span<Found> found) {
  std::sort(found.begin(), found.end(), [](const Found& a, const Found& b) {
    return a.begin != b.begin ? a.begin < b.begin : a.end > b.end;
  });
  std::size_t begin = 0;
  std::size_t end = open_;
  const auto fill_current = [&] {
    const std::size_t stop = std::min(end, settled);
    if (begin < stop) {
      fill(data.subspan(begin, stop - begin));
    }
  };
  for (const Found& f : found) {
    if (f.begin < end) {
      end = std::max(end, f.end);  // overlaps: one mask
      continue;
    }
    fill_current();
    begin = f.begin;
    end = f.end;
    painted_ = 0;
    words_ = end - begin >= kMaskText.size();
    ++hits_;
  }
  fill_current();
  open_ = end > settled ? end - settled : 0;
}

Scrubber::Scrubber(const PatternSet& patterns)
    : patterns_(patterns), scratch_(std::make_unique<GuardScratch>()) {}
Scrubber::~Scrubber() = default;
Scrubber::Scrubber(Scrubber&&) noexcept = default;

std::string_view Scrubber::feed(std::span<char> data, bool last) {
  std::span<char> piece = data;
  if (!carry_.empty()) {
    // What was there is overwritten, and wiped in the end: not in between too.
    joined_.reserve(carry_.size() + data.size());
    piece = std::span(joined_.data(), carry_.size() + data.size());
    std::memcpy(piece.data(), carry_.view().data(), carry_.size());
    if (!data.empty()) {
      std::memcpy(piece.data() + carry_.size(), data.data(), data.size());
    }
    carry_.clear();
  }
  if (patterns_.empty()) {
    return {piece.data(), piece.size()};
  }
  const std::string_view all(piece.data(), piece.size());
  const std::size_t settled = patterns_.find(all, last, *scratch_);
  // Kept as it came: it is searched again.
  carry_.append(all.substr(settled));
  mask_.paint(piece, settled, scratch_->found);
  return all.substr(0, settled);
}

}  // namespace av::proxy
