#pragma once
// PatternSet: what to look for so that an injected value does not come back, and the search for it.
// Scrubber: one body or message through a PatternSet, piece by piece.
//
// A text is searched as it is and, where it has escapes, as it reads with them decoded, up to
// kLayers deep; in each of these readings also with its lines of base64 joined, and with its hex
// decoded. All kinds of escapes are decoded at once. A value that contains what looks like an
// escape of another kind would come out of that changed, and so would one behind a row of
// backslashes; where there is such a value, or more than kLayers of escapes, the text is also read
// by one kind at a time. Each reading knows the way back (text_view.h), so what is found is masked
// where it lies, at equal length. Forms that are left to search for are listed in value_forms.h,
// the search itself is in pattern_search.h.
//
// Values below kMinValue bytes are not looked for: they would match by accident and corrupt data.
//
// What is held back at the end of a piece depends on line feeds, on classes of characters and on
// the lengths of the patterns, never on what they are: if text that begins like a value were held
// back and other text were not, whoever sees when bytes come could guess a value character by
// character.
//
// A PatternSet may be shared by scrubbers, and be replaced by another between two pieces of theirs:
// they keep what is undecided as it came, and search it again. It holds secrets; its
// memory is wiped, and so is a scrubber's.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "core/secret.h"
#include "proxy/pattern_search.h"

namespace av::proxy {

// Where one text is read and searched; memory that is made once and used again.
class GuardScratch;

class PatternSet {
 public:
  static constexpr std::size_t kMinValue = PatternSearch::kShortest;
  // Escapes within escapes: JSON in JSON in a query.
  static constexpr std::size_t kLayers = 3;
  // No more than this is held back, whatever the shape of the data.
  static constexpr std::size_t kMaxHeld = std::size_t{64} << 10;

  PatternSet() = default;
  // All forms of a credential's value.
  void add_value(std::string_view value);
  // One literal form (the token of Basic authentication, say); ignored when shorter than kMinValue.
  void add_literal(std::string_view pattern);
  // After the last add, before the first scrub.
  void compile();

  [[nodiscard]] bool empty() const { return search_.empty(); }
  // scrub() never leaves more bytes than this unsettled.
  [[nodiscard]] std::size_t most_held() const { return empty() ? 0 : kMaxHeld; }

  struct Scrubbed {
    std::size_t settled = 0;  // bytes at the front that are final
    std::size_t hits = 0;
  };
  // Masks, at equal length, every occurrence in `data` that begins in the settled part. Unless
  // `last`, what is beyond that must be presented again, followed by more: Scrubber does that.
  Scrubbed scrub(std::span<char> data, bool last) const;

 private:
  friend class Scrubber;
  // Fills `scratch` with what was found in the settled part; returns the size of that.
  std::size_t find(std::string_view data, bool last, GuardScratch& scratch) const;
  [[nodiscard]] std::size_t undecided(std::string_view text) const;
  [[nodiscard]] std::size_t settle(std::string_view data, const GuardScratch& scratch) const;
  void search_reading(std::size_t layer, std::string_view text, GuardScratch& scratch) const;
  void search_by_kind(std::string_view data, std::size_t margin, bool last,
                      GuardScratch& scratch) const;

  PatternSearch search_;
  std::size_t longest_plain_ = 0;
  bool has_introducers_ = false;  // some value has characters that begin escapes
};

// Paints over what was found. A find may reach beyond the settled part; the rest is painted when it
// comes.
class Mask {
 public:
  struct Found {
    std::size_t begin = 0;
    std::size_t end = 0;
  };
  // Paints data[0, settled). `found` begins there; it is sorted here.
  void paint(std::span<char> data, std::size_t settled, std::span<Found> found);
  [[nodiscard]] std::size_t hits() const { return hits_; }
  // How far the last find reaches beyond what has been painted.
  [[nodiscard]] std::size_t open() const { return open_; }

 private:
  void fill(std::span<char> bytes);

  std::size_t hits_ = 0;
  std::size_t open_ = 0;
  std::size_t painted_ = 0;  // of the current find
  bool words_ = false;       // there is room to say what this is
};

class Scrubber {
 public:
  explicit Scrubber(const PatternSet& patterns);
  ~Scrubber();
  Scrubber(Scrubber&&) noexcept;
  Scrubber(const Scrubber&) = delete;
  Scrubber& operator=(const Scrubber&) = delete;
  Scrubber& operator=(Scrubber&&) = delete;

  // What may go out now: a part of `data`, changed in place, or of an inner buffer. Valid until the
  // next call. `last`: a body or message ends here, and another may follow.
  std::string_view feed(std::span<char> data, bool last);
  [[nodiscard]] std::size_t hits() const { return mask_.hits(); }

 private:
  const PatternSet& patterns_;
  SecretBuffer carry_;
  SecretBuffer joined_;
  std::unique_ptr<GuardScratch> scratch_;
  Mask mask_;
};

}  // namespace av::proxy
