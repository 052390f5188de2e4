#include <algorithm>

#include "absl/strings/str_cat.h"
#include "inference/entity_inputs.h"
#include "inference/field_names.h"
#include "inference/model_options.h"
#include "millrace/core/status.h"

namespace millrace {
namespace {

constexpr char kNoMask[] = "none";

// The masks of `key`, one for each set; `fallback` if the user gave none.
absl::StatusOr<std::vector<std::string>> MasksOf(const Options& options, const std::string& key,
                                                 const std::vector<int64_t>& counts,
                                                 std::vector<std::string> fallback,
                                                 FieldNames& fields) {
  std::vector<std::string> masks = options.GetStrings(key, std::move(fallback));
  if (masks.size() != counts.size()) {
    return BadOption(options, key,
                     absl::StrCat("one for each of the ", counts.size(), " entities (", kNoMask,
                                  ": all are there)"),
                     absl::StrCat(masks.size()));
  }
  for (size_t i = 0; i < masks.size(); ++i) {
    if (masks[i] == kNoMask) masks[i].clear();
    if (masks[i].empty()) continue;
    MILLRACE_ASSIGN_OR_RETURN(const Field* mask, fields.Find(key, masks[i]));
    if (mask->shape != std::vector<int64_t>{counts[i]}) {
      return fields.BadShape(key, *mask, absl::StrCat("a field of shape [", counts[i], "]"));
    }
    if (fields.IsClaimed(masks[i])) {
      return BadOption(options, key, "a field that is not in entities or circular",
                       Quoted(masks[i]));
    }
  }
  return masks;
}

absl::Status SetSets(const Options& options, FieldNames& fields, EntitySpec& entity) {
  std::vector<int64_t> counts;
  entity.sets.clear();
  for (const std::string& name : options.GetStrings("entities", {})) {
    MILLRACE_ASSIGN_OR_RETURN(const Field* field, fields.Claim("entities", name));
    if (field->shape.size() != 2) {
      return fields.BadShape("entities", *field, "fields of shape [N, F]");
    }
    counts.push_back(field->shape[0]);
    entity.sets.push_back({.field = name});
  }
  const std::vector<std::string> none(counts.size(), kNoMask);
  MILLRACE_ASSIGN_OR_RETURN(const auto masks,
                            MasksOf(options, "entity_masks", counts, none, fields));
  std::vector<std::string> same = options.GetStrings("entity_masks", none);
  MILLRACE_ASSIGN_OR_RETURN(const auto critic_masks,
                            MasksOf(options, "critic_masks", counts, std::move(same), fields));
  for (size_t i = 0; i < counts.size(); ++i) {
    entity.sets[i].mask = masks[i];
    entity.sets[i].critic_mask = critic_masks[i];
  }
  return absl::OkStatus();
}

absl::Status SetCircular(const Options& options, FieldNames& fields, EntitySpec& entity) {
  entity.circular = options.GetStrings("circular", {});
  for (const std::string& name : entity.circular) {
    MILLRACE_ASSIGN_OR_RETURN(const Field* field, fields.Claim("circular", name));
    const size_t rank = field->shape.size();
    if ((rank == 1 || rank == 2) && field->shape[0] >= entity.circular_width) continue;
    return fields.BadShape("circular", *field,
                           absl::StrCat("fields of shape [L] or [L, C] with L at least the ",
                                        entity.circular_width, " of circular_width"));
  }
  return absl::OkStatus();
}

absl::Status SetCriticOnly(const Options& options, const FieldNames& fields, ModelSpec& spec) {
  EntitySpec& entity = spec.entity;
  entity.critic_only = options.GetStrings("critic_only", {});
  for (const std::string& name : entity.critic_only) {
    MILLRACE_ASSIGN_OR_RETURN(const Field* field, fields.Find("critic_only", name));
    if (spec.IsFeature(*field)) continue;
    return BadOption(options, "critic_only", "fields that are no masks (see critic_masks)",
                     Quoted(name));
  }
  for (const char* key : {"critic_only", "critic_masks"}) {
    if (spec.one_trunk() && options.Has(key)) {
      return BadOption(options, key, "nothing with shared_trunk: true, where there is no critic",
                       "a list");
    }
  }
  return absl::OkStatus();
}

absl::Status CheckAttentionOptions(const Options& options, FieldNames& fields, ModelSpec& spec) {
  if (spec.entity.embedding % spec.entity.heads != 0) {
    return BadOption(options, "heads",
                     absl::StrCat("a divisor of the embedding's ", spec.entity.embedding),
                     absl::StrCat(spec.entity.heads));
  }
  if (spec.hidden.empty()) return BadOption(options, "hidden", "at least one layer", "none");
  return SetCircular(options, fields, spec.entity);
}

}  // namespace

void AskEntityOptions(const Options& options) {
  for (const char* key : {"entities", "entity_masks", "critic_masks", "critic_only"}) {
    options.GetStrings(key, {});
  }
}

void AskAttentionOptions(const Options& options, EntitySpec& entity) {
  options.GetStrings("circular", {});
  const EntitySpec defaults;
  const auto size = [&](const char* key, int64_t fallback, int64_t high) {
    return options.GetInt(key, fallback, 1, high);
  };
  entity.circular_channels = size("circular_channels", defaults.circular_channels, kMaxModelWidth);
  entity.circular_width = size("circular_width", defaults.circular_width, kMaxModelWidth);
  entity.embedding = size("embedding", defaults.embedding, kMaxModelWidth);
  entity.heads = size("heads", defaults.heads, kMaxModelWidth);
  entity.layers = size("layers", defaults.layers, 64);
  entity.layer_norm = options.GetBool("layer_norm", defaults.layer_norm);
}

absl::Status CheckEntityOptions(const Options& options, ModelSpec& spec) {
  const bool attention = spec.type == "entity_attention";
  FieldNames fields(options, spec.observation, "entities and circular");
  // Circular first: a mask may be neither.
  if (attention) MILLRACE_RETURN_IF_ERROR(CheckAttentionOptions(options, fields, spec));
  MILLRACE_RETURN_IF_ERROR(SetSets(options, fields, spec.entity));
  if (attention && spec.entity.sets.empty()) {
    return BadOption(options, "entities", "at least one field of shape [N, F]", "none");
  }
  MILLRACE_RETURN_IF_ERROR(SetCriticOnly(options, fields, spec));
  const EntityInputs inputs = EntityInputsOf(spec, Network::kActor);
  if (attention && inputs.self_width == 0) {
    return BadOption(options, "entities", "a flat or circular field beside them for the policy",
                     "only entities");
  }
  if (inputs.dense_width() == 0 && spec.num_features() > 0) {
    return BadOption(options, "critic_only", "a field that the policy sees", "all of them");
  }
  return absl::OkStatus();
}

}  // namespace millrace
