// The keys of `model:` of the built-in models.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "millrace/inference/model_spec.h"

namespace millrace {

// Reads everything but observation and action, which are there already. kInvalidArgument with the
// place and the nearest valid name.
absl::Status ReadModelOptions(const Options& options, ModelSpec& spec);

// Those of what can be out of sight, and those that only type entity_attention has beside them:
// asks for all of them, and checks what it got after options.Finish() has found each to be of its
// type.
void AskEntityOptions(const Options& options);
void AskAttentionOptions(const Options& options, EntitySpec& entity);
absl::Status CheckEntityOptions(const Options& options, ModelSpec& spec);

// The same of type cnn.
void AskCnnOptions(const Options& options);
absl::Status CheckCnnOptions(const Options& options, ModelSpec& spec);

// "FILE:LINE: model.KEY: expected EXPECTED, got GOT", as an error.
absl::Status BadOption(const Options& options, const std::string& key, const std::string& expected,
                       const std::string& got);

inline constexpr int64_t kMaxModelWidth = 1 << 16;

}  // namespace millrace
