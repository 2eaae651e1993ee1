// A translation unit for the precompiled header of the tests to be built with.
