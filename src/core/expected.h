#pragma once
// Expected<T, E = Error>: a value or an error. The subset of C++23 std::expected that we use; it
// becomes an alias when both compilers ship that header. Reading the wrong side is a bug and
// aborts.

#include <cstdlib>
#include <type_traits>
#include <utility>
#include <variant>

#include "core/error.h"

namespace av {

template <typename E>
struct Unexpected {
  E error;
};

template <typename E>
[[nodiscard]] Unexpected<E> unexpected(E error) {
  return Unexpected<E>{std::move(error)};
}

template <typename T, typename E = Error>
class [[nodiscard]] Expected {
 public:
  using value_type = T;

  Expected(T value) : state_(std::in_place_index<0>, std::move(value)) {}  // NOLINT: by design
  Expected(Unexpected<E> u) : state_(std::in_place_index<1>, std::move(u.error)) {}  // NOLINT
  Expected(E error) : state_(std::in_place_index<1>, std::move(error)) {}            // NOLINT

  [[nodiscard]] bool has_value() const noexcept { return state_.index() == 0; }
  explicit operator bool() const noexcept { return has_value(); }

  T& value() & { return checked(); }
  const T& value() const& { return const_cast<Expected*>(this)->checked(); }
  T&& value() && { return std::move(checked()); }
  T& operator*() & { return checked(); }
  const T& operator*() const& { return const_cast<Expected*>(this)->checked(); }
  T&& operator*() && { return std::move(checked()); }
  T* operator->() { return &checked(); }
  const T* operator->() const { return &const_cast<Expected*>(this)->checked(); }

  E& error() { return checked_error(); }
  const E& error() const { return const_cast<Expected*>(this)->checked_error(); }

  template <typename U>
  T value_or(U&& fallback) && {
    return has_value() ? std::move(checked()) : static_cast<T>(std::forward<U>(fallback));
  }

 private:
  T& checked() {
    if (!has_value()) {
      std::abort();
    }
    return *std::get_if<0>(&state_);
  }
  E& checked_error() {
    if (has_value()) {
      std::abort();
    }
    return *std::get_if<1>(&state_);
  }
  std::variant<T, E> state_;
};

template <typename E>
class [[nodiscard]] Expected<void, E> {
 public:
  using value_type = void;

  Expected() = default;
  Expected(Unexpected<E> u) : failed_(true), error_(std::move(u.error)) {}  // NOLINT
  Expected(E error) : failed_(true), error_(std::move(error)) {}            // NOLINT

  [[nodiscard]] bool has_value() const noexcept { return !failed_; }
  explicit operator bool() const noexcept { return !failed_; }
  E& error() { return checked_error(); }
  const E& error() const { return const_cast<Expected*>(this)->checked_error(); }

 private:
  E& checked_error() {
    if (!failed_) {
      std::abort();
    }
    return error_;
  }
  bool failed_ = false;
  E error_;
};

using Status = Expected<void>;

}  // namespace av

#define AV_CONCAT_INNER(a, b) a##b
#define AV_CONCAT(a, b) AV_CONCAT_INNER(a, b)

// AV_TRY(auto x, fallible()): declares x, or returns the error from the enclosing function.
#define AV_TRY(declaration, expression) \
  AV_TRY_IMPL(AV_CONCAT(av_result_, __LINE__), return, declaration, expression)
// AV_CHECK(fallible()): for results that carry no value.
#define AV_CHECK(expression) AV_CHECK_IMPL(AV_CONCAT(av_result_, __LINE__), return, expression)

#define AV_TRY_IMPL(result, leave, declaration, expression) \
  auto result = (expression);                               \
  if (!result) {                                            \
    leave ::av::unexpected(std::move(result.error()));      \
  }                                                         \
  declaration = std::move(*result)
#define AV_CHECK_IMPL(result, leave, expression)       \
  auto result = (expression);                          \
  if (!result) {                                       \
    leave ::av::unexpected(std::move(result.error())); \
  }
