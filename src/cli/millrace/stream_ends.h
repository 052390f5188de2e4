// One end of a stream as a process of its own: what `millrace bench streams` measures between.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace millrace {

struct StreamEndOptions {
  std::string kind = {};  // see stream_ends.cc
  std::string run_directory = {};
  std::string role = {};
  uint32_t index = 0;
  std::string transport = "shm";
  size_t bytes = 64;
  bool checksum = false;
  int spin_us = 0;          // before a wait goes to sleep
  int count = 1000;         // round trips, segments or versions
  int peers = 1;            // weight readers of a publisher
  std::string result = {};  // file for the figures (JSON); empty: this end has none
};

// Joins the controller of `run_directory` and plays the end until its part is done. kUnavailable
// with what it waited for if the other end does not come.
absl::Status RunStreamEnd(const StreamEndOptions& options);

}  // namespace millrace
