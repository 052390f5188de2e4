#include "streams/inference_stream.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "millrace/core/check.h"

namespace millrace {
namespace {

Layout RowLayout(std::vector<Field> fields, int32_t rows) {
  auto schema = Schema::Create(std::move(fields));
  MILLRACE_CHECK(schema.ok(), std::string(schema.status().message()));
  return Layout(*std::move(schema), {.steps = 0, .rows = rows, .chunks = 0});
}

}  // namespace

// What every request carries comes first, so that the rest can be left out on a wire.
Layout InferenceSpec::RequestLayout() const {
  std::vector<Field> fields = ObservationFields(observation, Extent::kRows);
  fields.push_back({kRowFlags, DType::kUInt8, {}, Extent::kRows});
  for (const Field& field : observation.fields) {
    fields.push_back({absl::StrCat("final/", field.name), field.dtype, field.shape, Extent::kRows});
  }
  if (state_size > 0) {
    fields.push_back({kRecurrentState, DType::kFloat32, {state_size}, Extent::kRows});
  }
  return RowLayout(std::move(fields), rows);
}

Layout InferenceSpec::ReplyLayout() const {
  std::vector<Field> fields = ActionFields(action, Extent::kRows);
  for (const char* name : {kLogProb, kValue, kFinalValue}) {
    fields.push_back({name, DType::kFloat32, {}, Extent::kRows});
  }
  if (state_size > 0) {
    fields.push_back({kRecurrentState, DType::kFloat32, {state_size}, Extent::kRows});
  }
  return RowLayout(std::move(fields), rows);
}

size_t InferenceSpec::CompactRequestBytes() const {
  const Layout layout = RequestLayout();
  const int next = layout.schema().Find(kRowFlags) + 1;
  const bool last = next == static_cast<int>(layout.schema().fields().size());
  return last ? layout.total_bytes() : layout.offset(next);
}

}  // namespace millrace
