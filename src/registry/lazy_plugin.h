// A plug-in that comes with Millrace and is loaded when one of its environments is made: what it
// links costs memory in every process that has it.
#pragma once

#include <memory>
#include <string>

#include "millrace/registry/registry.h"

namespace millrace {

// Value type; copies share the library. Thread-compatible.
class LazyPlugin {
 public:
  // `file`: beside the library or program that this code is part of, or in its ../lib.
  explicit LazyPlugin(std::string file);

  // A factory that loads the plug-in first. kNotFound if its file is missing.
  EnvironmentFactory Environment(const std::string& name) const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace millrace
