// Settings read from options as a user writes them.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "env/hide_and_seek/settings.h"

namespace millrace::hide_and_seek {

constexpr const char* kQuadrant = "hide_and_seek_quadrant";
constexpr const char* kFull = "hide_and_seek_full";
constexpr const char* kLarge = "hide_and_seek_large";

using Given = std::map<std::string, std::vector<std::string>>;

// Items of more than one are lists.
inline Options OptionsOf(const Given& given) {
  Options options;
  for (const auto& [key, items] : given) {
    options.Set(key, {.items = items,
                      .is_list = items.size() > 1,
                      .where = "run.yaml:7",
                      .path = "environment." + key});
  }
  return options;
}

inline Settings Read(const std::string& name, const Given& given = {}) {
  return ReadSettings(OptionsOf(given), name).value();
}

}  // namespace millrace::hide_and_seek
