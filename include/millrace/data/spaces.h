// What an agent sees and what it can do.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "millrace/data/schema.h"

namespace millrace {

// A feature whose values are ids, a list of them in every observation: users, items, words.
struct IdFeature {
  std::string name;
  int64_t rows = 0;        // ids are below it
  int64_t max_length = 1;  // of a list
  // Features with the same one share an embedding table, and have as many rows; empty: its own.
  std::string table = {};
  const std::string& table_name() const { return table.empty() ? name : table; }
  bool operator==(const IdFeature&) const = default;
};

// The fields that have the ids of all features: int64 [what the longest lists have together], those
// of the first feature first, zeros behind the last; and int32 [features], how many each has.
inline constexpr char kIds[] = "ids";
inline constexpr char kIdCounts[] = "id_counts";
std::vector<Field> IdFields(const std::vector<IdFeature>& features);

// A dictionary of named tensors; an environment with a single array calls it "observation". Names
// are the dictionary's keys, nested keys joined with "/". The field "action_mask" (uint8, one entry
// per discrete choice, components one after another; 0 = not allowed now) is special: policies do
// not read it as a feature, they give masked choices zero probability.
struct ObservationSpec {
  std::vector<Field> fields;                // extent kRows
  std::vector<IdFeature> id_features = {};  // if IdFields() are among the fields
  bool operator==(const ObservationSpec&) const = default;
};
inline constexpr char kActionMask[] = "action_mask";

// One component of an action: a choice among `choices`, or a vector of reals.
struct ActionComponent {
  enum class Kind : uint8_t { kDiscrete, kContinuous };
  std::string name;
  Kind kind = Kind::kDiscrete;
  int32_t choices = 0;           // discrete: how many, numbered from 0
  std::vector<float> low, high;  // continuous: the box; its size is the vector's size
  bool operator==(const ActionComponent&) const = default;
};

// A tuple of components. One discrete component is Gymnasium's Discrete, several are MultiDiscrete,
// one continuous is Box, a mixture is Tuple.
struct ActionSpec {
  std::vector<ActionComponent> components;

  int num_discrete() const;     // discrete components
  int num_choices() const;      // their choices in sum: the length of logits and of the mask
  int continuous_size() const;  // reals in sum
  bool operator==(const ActionSpec&) const = default;

  static ActionSpec Discrete(int32_t choices);
  static ActionSpec Continuous(std::vector<float> low, std::vector<float> high);
};

// Names of the fields that carry actions: int32 [num_discrete] and float32 [continuous_size].
// A field is absent if it would be empty.
inline constexpr char kDiscreteAction[] = "action/discrete";
inline constexpr char kContinuousAction[] = "action/continuous";
std::vector<Field> ActionFields(const ActionSpec& action, Extent extent);
// "observation/NAME": what an observation's field is called in streams and batches.
std::string ObservationField(std::string_view name);
// The observation's fields by these names.
std::vector<Field> ObservationFields(const ObservationSpec& observation, Extent extent);

}  // namespace millrace
