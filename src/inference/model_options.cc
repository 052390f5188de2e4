#include "inference/model_options.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "millrace/core/nearest_name.h"
#include "millrace/core/status.h"

namespace millrace {
namespace {

std::string Where(const Options& options, const std::string& key) {
  const auto found = options.values().find(key);
  return found == options.values().end() || found->second.where.empty() ? "model"
                                                                        : found->second.where;
}

absl::Status SetHidden(const Options& options, const std::vector<double>& widths, ModelSpec& spec) {
  spec.hidden.clear();
  for (double width : widths) {
    if (width != std::floor(width) || width < 1 || width > kMaxModelWidth) {
      return BadOption(options, "hidden", absl::StrCat("layer widths of 1 to ", kMaxModelWidth),
                       absl::StrCat(width));
    }
    spec.hidden.push_back(static_cast<int64_t>(width));
  }
  return absl::OkStatus();
}

// What a type does not have unless asked for, or not at all.
struct Defaults {
  std::vector<double> hidden = {64, 64};
  std::string activation = "tanh";
  bool shared_trunk = false;
  int64_t lstm_size = 0;  // gru_size of type gru
};

Defaults DefaultsOf(const std::string& type) {
  if (type == "lstm" || type == "gru") return {.shared_trunk = true, .lstm_size = 64};
  if (type == "entity_attention") return {.hidden = {256}, .activation = "relu", .lstm_size = 256};
  if (type == "cnn") return {.hidden = {512}, .activation = "relu", .shared_trunk = true};
  return {};
}

absl::Status CheckCombination(const Options& options, const ModelSpec& spec) {
  const bool recurrent = spec.type == "lstm" || spec.type == "gru";
  if (recurrent && spec.recurrent_size() <= 0) {
    return BadOption(options, spec.type + "_size", "at least 1 for type " + spec.type,
                     absl::StrCat(spec.recurrent_size()));
  }
  if (spec.type == "mlp" && spec.lstm_size != 0) {
    return BadOption(options, "lstm_size", "none for type mlp", absl::StrCat(spec.lstm_size));
  }
  if (recurrent && !spec.shared_trunk) {
    return BadOption(options, "shared_trunk",
                     absl::StrCat("true for type ", spec.type, ", which has one trunk"), "false");
  }
  if (spec.num_features() <= 0 && spec.type != "cnn") {  // which has images
    return absl::InvalidArgumentError(
        "model: expected an observation with at least one feature, got none");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status BadOption(const Options& options, const std::string& key, const std::string& expected,
                       const std::string& got) {
  return absl::InvalidArgumentError(
      absl::StrCat(Where(options, key), ": model.", key, ": expected ", expected, ", got ", got));
}

absl::Status ReadModelOptions(const Options& options, ModelSpec& spec) {
  spec.type = options.GetString("type", spec.type);
  if (!ModelSpec::IsBuiltinType(spec.type)) {
    return absl::InvalidArgumentError(
        absl::StrCat(Where(options, "type"), ": model.type is not a built-in one: \"", spec.type,
                     "\"", DidYouMean(spec.type, ModelSpec::BuiltinTypes())));
  }
  const Defaults defaults = DefaultsOf(spec.type);
  const auto hidden = options.GetDoubles("hidden", defaults.hidden);
  const std::string activation =
      options.GetChoice("activation", defaults.activation, {"tanh", "relu"});
  spec.activation = activation == "tanh" ? Activation::kTanh : Activation::kRelu;
  spec.shared_trunk = options.GetBool("shared_trunk", defaults.shared_trunk);
  const bool gru = spec.type == "gru";
  (gru ? spec.gru_size : spec.lstm_size) =
      options.GetInt(gru ? "gru_size" : "lstm_size", defaults.lstm_size, 0, kMaxModelWidth);
  spec.normalize_observation = options.GetBool("normalize_observation", false);
  spec.normalize_value = options.GetBool("normalize_value", false);
  spec.initial_log_std = options.GetDouble("initial_log_std", 0.0, -20.0, 5.0);
  const bool entities = spec.type == "entity_attention", images = spec.type == "cnn";
  if (entities) AskAttentionOptions(options, spec.entity);
  images ? AskCnnOptions(options) : AskEntityOptions(options);
  MILLRACE_RETURN_IF_ERROR(options.Finish("model"));
  MILLRACE_RETURN_IF_ERROR(SetHidden(options, hidden, spec));
  MILLRACE_RETURN_IF_ERROR(images ? CheckCnnOptions(options, spec)
                                  : CheckEntityOptions(options, spec));
  return CheckCombination(options, spec);
}

}  // namespace millrace
