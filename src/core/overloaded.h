#pragma once
// Several lambdas as one visitor: std::visit(Overloaded{[](const A&) {...}, [](const B&) {...}},
// v). An alternative without its own lambda does not compile.

namespace av {

template <typename... F>
struct Overloaded : F... {
  using F::operator()...;
};
template <typename... F>
Overloaded(F...) -> Overloaded<F...>;

}  // namespace av
