#include "millrace/inference/model_spec.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "millrace/core/nearest_name.h"
#include "millrace/core/status.h"

namespace millrace {
namespace {

constexpr int64_t kMaxWidth = 1 << 16;

std::string Where(const Options& options, const std::string& key) {
  const auto found = options.values().find(key);
  return found == options.values().end() || found->second.where.empty() ? "model"
                                                                        : found->second.where;
}

absl::Status UnknownName(const Options& options, const std::string& key, const std::string& got,
                         const std::vector<std::string>& known) {
  return absl::InvalidArgumentError(absl::StrCat(Where(options, key), ": model.", key,
                                                 " is not a built-in one: \"", got, "\"",
                                                 DidYouMean(got, known)));
}

absl::StatusOr<std::vector<int64_t>> Widths(const Options& options, std::vector<double> widths) {
  std::vector<int64_t> result;
  for (double width : widths) {
    if (width != std::floor(width) || width < 1 || width > kMaxWidth) {
      return absl::InvalidArgumentError(
          absl::StrCat(Where(options, "hidden"), ": model.hidden: expected layer widths of 1 to ",
                       kMaxWidth, ", got ", width));
    }
    result.push_back(static_cast<int64_t>(width));
  }
  return result;
}

// What mlp and lstm each need of the other keys.
absl::Status CheckCombination(const Options& options, const ModelSpec& spec) {
  if (spec.type == "lstm" && spec.lstm_size <= 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(Where(options, "lstm_size"),
                     ": model.lstm_size: expected at least 1 for type lstm, got ", spec.lstm_size));
  }
  if (spec.type == "mlp" && spec.lstm_size != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(Where(options, "lstm_size"),
                     ": model.lstm_size: expected none for type mlp, got ", spec.lstm_size));
  }
  if (spec.type == "lstm" && options.Has("shared_trunk") && !spec.shared_trunk) {
    return absl::InvalidArgumentError(absl::StrCat(
        Where(options, "shared_trunk"),
        ": model.shared_trunk: expected true for type lstm, which has one trunk, got false"));
  }
  if (spec.num_features() <= 0) {
    return absl::InvalidArgumentError(
        "model: expected an observation with at least one feature, got none");
  }
  return absl::OkStatus();
}

}  // namespace

bool ModelSpec::IsBuiltinType(std::string_view type) { return type == "mlp" || type == "lstm"; }

int64_t ModelSpec::num_features() const {
  int64_t features = 0;
  for (const Field& field : observation.fields) {
    if (field.name != kActionMask) features += NumElements(field.shape);
  }
  return features;
}

absl::StatusOr<ModelSpec> ModelSpec::FromOptions(const Options& options,
                                                 ObservationSpec observation, ActionSpec action) {
  ModelSpec spec;
  spec.observation = std::move(observation);
  spec.action = std::move(action);
  spec.type = options.GetString("type", spec.type);
  const auto hidden = options.GetDoubles("hidden", {64, 64});
  const std::string activation = options.GetChoice("activation", "tanh", {"tanh", "relu"});
  spec.shared_trunk = options.GetBool("shared_trunk", spec.type == "lstm");
  spec.lstm_size = options.GetInt("lstm_size", spec.type == "lstm" ? 64 : 0, 0, kMaxWidth);
  spec.normalize_observation = options.GetBool("normalize_observation", false);
  spec.normalize_value = options.GetBool("normalize_value", false);
  spec.initial_log_std = options.GetDouble("initial_log_std", 0.0, -20.0, 5.0);
  MILLRACE_RETURN_IF_ERROR(options.Finish("model"));

  if (!IsBuiltinType(spec.type)) {
    return UnknownName(options, "type", spec.type, {"mlp", "lstm"});
  }
  spec.activation = activation == "tanh" ? Activation::kTanh : Activation::kRelu;
  MILLRACE_ASSIGN_OR_RETURN(spec.hidden, Widths(options, hidden));
  MILLRACE_RETURN_IF_ERROR(CheckCombination(options, spec));
  return spec;
}

}  // namespace millrace
