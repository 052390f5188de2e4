#include "inference/sparsity.h"

#include <algorithm>
#include <regex>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "config/place.h"
#include "inference/layer_matrix.h"
#include "millrace/core/status.h"

namespace millrace {
namespace {

constexpr char kAsForward[] = "forward";

absl::Status Wrong(const Options& options, const std::string& key, const std::string& what) {
  const auto value = options.values().find(key);
  if (value == options.values().end()) {
    return absl::InvalidArgumentError(absl::StrCat("backend ", Sparsity::kBackend, ": ", what));
  }
  const std::string& path = value->second.path;
  return absl::InvalidArgumentError(
      absl::StrCat(Subject(value->second.where, path.empty() ? key : path), ": ", what));
}

absl::StatusOr<sparse::Pattern> ReadPattern(const Options& options, const std::string& key,
                                            const std::string& fallback, int64_t shared_by,
                                            bool tiles) {
  auto pattern = sparse::ParsePattern(options.GetString(key, fallback));
  if (!pattern.ok()) return Wrong(options, key, std::string(pattern.status().message()));
  if (sparse::IsDense(*pattern)) return pattern;
  pattern->shared_by = tiles ? sparse::kPanel : shared_by;
  pattern->tiles = tiles;
  if (sparse::IsKnown(*pattern)) return pattern;
  return Wrong(options, "shared_by",
               absl::StrCat("expected 1, 2, 4, 8 or 16, got ", pattern->shared_by));
}

// Layers that can be sparse.
struct LayerNames {
  std::vector<std::string> all;
  std::vector<std::string> behind_others;  // those that do not read an observation
};

LayerNames LayersOf(const ModelSpec& spec) {
  const bool hidden_behind = spec.type == "cnn" || spec.type == "entity_attention";
  const ParameterLayout layout(spec);
  LayerNames names;
  for (const Network network : {Network::kActor, Network::kCritic}) {
    if (network == Network::kCritic && spec.one_trunk()) continue;
    const std::string trunk = spec.TrunkName(network) + ".";
    for (const ParameterEntry& entry : layout.entries()) {
      const std::string name = LayerNameOf(entry);
      if (!name.starts_with(trunk)) continue;
      const std::string part = name.substr(trunk.size());
      const bool first = part == "0" || part.ends_with(".0");
      const bool hidden = part.find_first_not_of("0123456789") == std::string::npos;
      const bool image = part.starts_with("image.");
      const bool attention = part.starts_with("attention.");
      if (!hidden && !image && !attention) continue;
      names.all.push_back(name);
      const bool reads_observation = first && (image || (hidden && !hidden_behind));
      if (!reads_observation) names.behind_others.push_back(name);
    }
  }
  return names;
}

// Names of layers that match one of the expressions.
absl::StatusOr<std::vector<std::string>> Matching(const Options& options,
                                                  const std::vector<std::string>& expressions,
                                                  const std::vector<std::string>& names) {
  std::vector<std::string> matching;
  for (const std::string& expression : expressions) {
    const size_t before = matching.size();
    try {
      const std::regex regex(expression);
      std::ranges::copy_if(names, std::back_inserter(matching), [&](const std::string& name) {
        return std::regex_match(name, regex) && std::ranges::count(matching, name) == 0;
      });
    } catch (const std::regex_error&) {
      return Wrong(options, "layers",
                   absl::StrCat("not a regular expression: \"", expression, "\""));
    }
    if (matching.size() > before) continue;
    return Wrong(options, "layers",
                 absl::StrCat("expected some of the layers ", absl::StrJoin(names, ", "),
                              ", got \"", expression, "\""));
  }
  return matching;
}

absl::Status ReadSchedule(const Options& options, Sparsity& sparsity) {
  const std::string refresh =
      options.GetChoice("refresh", "per_iteration", {"per_iteration", "per_step", "never"});
  sparsity.refresh = refresh == "never"      ? Refresh::kNever
                     : refresh == "per_step" ? Refresh::kStep
                                             : Refresh::kIteration;
  sparsity.refresh_interval = options.GetInt("refresh_interval", 1, 1, 1'000'000'000);
  sparsity.decay = options.GetDouble("decay", 0, 0, 1);
  sparsity.decay_fades = options.GetBool("decay_fades", false);
  sparsity.dense_until = options.GetDouble("dense_until", 0, 0, 1);
  sparsity.dense_from = options.GetDouble("dense_from", 1, 0, 1);
  sparsity.freeze_variance = options.GetBool("freeze_variance", false);
  if (sparsity.decay_fades && sparsity.decay == 0) {
    return Wrong(options, "decay_fades", "expected decay as well, which fades");
  }
  if (sparsity.freeze_variance && sparsity.dense_until == 0) {
    return Wrong(options, "freeze_variance",
                 "expected dense_until as well, which says from when on");
  }
  return absl::OkStatus();
}

}  // namespace

LayerPatterns Sparsity::Of(const std::string& layer) const {
  return std::ranges::count(layers, layer) > 0 ? patterns : LayerPatterns{};
}

absl::StatusOr<Sparsity> Sparsity::FromOptions(const Options& options, const ModelSpec& spec) {
  const LayerNames names = LayersOf(spec);
  if (spec.type == "mlp" && spec.hidden.empty()) {
    return Wrong(options, "type", "expected a model with hidden layers, got one without");
  }
  Sparsity sparsity;
  const std::string name = options.GetString("pattern", "2:8");
  const int64_t shared_by = options.GetInt("shared_by", 1, 1, sparse::kPanel);
  const bool tiles = options.GetBool("tiles", false);
  if (tiles && options.Has("shared_by")) {
    return Wrong(options, "shared_by", "expected none with tiles, which all of 16 outputs share");
  }
  MILLRACE_ASSIGN_OR_RETURN(sparsity.patterns.forward,
                            ReadPattern(options, "pattern", name, shared_by, tiles));
  sparsity.patterns.backward_as_forward = options.GetString("backward_pattern", name) == kAsForward;
  if (!sparsity.patterns.backward_as_forward) {
    MILLRACE_ASSIGN_OR_RETURN(sparsity.patterns.backward,
                              ReadPattern(options, "backward_pattern", name, shared_by, tiles));
  } else {
    sparsity.patterns.backward = sparse::DensePattern();
  }
  MILLRACE_RETURN_IF_ERROR(ReadSchedule(options, sparsity));
  const bool mlp = spec.type == "mlp";
  const std::string precision =
      options.GetChoice("precision", mlp ? "bfloat16" : "float32", {"bfloat16", "float32"});
  if (precision == "float32") {
    sparsity.precision = sparse::Precision::kFloat32;
  } else if (!mlp) {
    return Wrong(options, "precision",
                 absl::StrCat("expected float32 for a model of type ", spec.type,
                              ", got bfloat16, which an mlp can have"));
  }
  const std::string products = options.GetChoice("products", "auto", {"auto", "sparse", "dense"});
  sparsity.products = products == "sparse"  ? sparse::ProductChoice::kSparse
                      : products == "dense" ? sparse::ProductChoice::kDense
                                            : sparse::ProductChoice::kAuto;
  const auto expressions = options.GetStrings("layers", {});
  if (!options.Has("layers")) {
    sparsity.layers = names.behind_others;
    const bool sparse =
        !sparse::IsDense(sparsity.patterns.forward) || !sparse::IsDense(sparsity.patterns.backward);
    if (sparsity.layers.empty() && sparse) {
      return Wrong(options, "layers",
                   "expected a model with layers behind the first, or the names of those that "
                   "shall be sparse");
    }
  } else {
    MILLRACE_ASSIGN_OR_RETURN(sparsity.layers, Matching(options, expressions, names.all));
  }
  return sparsity;
}

}  // namespace millrace
