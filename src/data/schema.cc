#include "millrace/data/schema.h"

#include <limits>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/fnv1a.h"
#include "millrace/core/check.h"

namespace millrace {
namespace {

constexpr size_t kAlignment = 64;
constexpr size_t kMaxRank = 6;
constexpr int64_t kMaxElements = int64_t{1} << 40;

size_t AlignUp(size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

bool IsNameCharacter(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.' || c == '/' ||
         c == '-';
}

absl::Status CheckField(const Field& field) {
  if (field.name.empty() || field.name.size() > 128) {
    return absl::InvalidArgumentError("field name: expected 1 to 128 characters");
  }
  for (char c : field.name) {
    if (!IsNameCharacter(c)) {
      return absl::InvalidArgumentError(
          absl::StrCat("field name: expected [A-Za-z0-9_./-], got \"", field.name, "\""));
    }
  }
  if (field.shape.size() > kMaxRank) {
    return absl::InvalidArgumentError(absl::StrCat("field ", field.name, ": expected at most ",
                                                   kMaxRank, " dimensions, got ",
                                                   field.shape.size()));
  }
  int64_t elements = 1;
  for (int64_t extent : field.shape) {
    if (extent < 1 || extent > kMaxElements / elements) {
      return absl::InvalidArgumentError(absl::StrCat("field ", field.name, ": shape [",
                                                     absl::StrJoin(field.shape, ", "),
                                                     "] is empty or too large"));
    }
    elements *= extent;
  }
  return absl::OkStatus();
}

uint64_t HashOf(const std::vector<Field>& fields) {
  Fnv1a hash;
  for (const Field& field : fields) {
    hash.Add(static_cast<uint64_t>(field.name.size()));
    hash.Add(std::string_view(field.name));
    hash.Add(static_cast<uint64_t>(field.dtype));
    hash.Add(static_cast<uint64_t>(field.extent));
    hash.Add(static_cast<uint64_t>(field.shape.size()));
    for (int64_t extent : field.shape) hash.Add(static_cast<uint64_t>(extent));
  }
  return hash.state();
}

std::string_view Name(Extent extent) {
  switch (extent) {
    case Extent::kSteps:
      return "[T, B]";
    case Extent::kStepsAndBootstrap:
      return "[T+1, B]";
    case Extent::kRows:
      return "[B]";
    case Extent::kChunks:
      return "[C, B]";
    case Extent::kTime:
      return "[T]";
  }
  MILLRACE_CHECK(false, "unknown extent");
}

std::vector<int64_t> FullShape(const Field& field, const Extents& extents) {
  std::vector<int64_t> shape;
  switch (field.extent) {
    case Extent::kSteps:
      shape = {extents.steps, extents.rows};
      break;
    case Extent::kStepsAndBootstrap:
      shape = {extents.steps + 1, extents.rows};
      break;
    case Extent::kRows:
      shape = {extents.rows};
      break;
    case Extent::kChunks:
      shape = {extents.chunks, extents.rows};
      break;
    case Extent::kTime:
      shape = {extents.steps};
      break;
  }
  shape.insert(shape.end(), field.shape.begin(), field.shape.end());
  return shape;
}

}  // namespace

int64_t NumElements(std::span<const int64_t> shape) {
  int64_t elements = 1;
  for (int64_t extent : shape) elements *= extent;
  return elements;
}

absl::StatusOr<Schema> Schema::Create(std::vector<Field> fields) {
  Schema schema;
  for (const Field& field : fields) {
    if (absl::Status status = CheckField(field); !status.ok()) return status;
    if (schema.Find(field.name) >= 0) {
      return absl::InvalidArgumentError(absl::StrCat("field ", field.name, " occurs twice"));
    }
    schema.fields_.push_back(field);
  }
  schema.hash_ = HashOf(schema.fields_);
  return schema;
}

int Schema::Find(std::string_view name) const {
  for (size_t i = 0; i < fields_.size(); ++i) {
    if (fields_[i].name == name) return static_cast<int>(i);
  }
  return -1;
}

std::string Schema::ToString() const {
  std::string text;
  for (const Field& field : fields_) {
    absl::StrAppend(&text, field.name, ": ", std::string(Name(field.dtype)), " ",
                    std::string(Name(field.extent)), " x [", absl::StrJoin(field.shape, ", "),
                    "]\n");
  }
  return text;
}

Layout::Layout(Schema schema, Extents extents) : schema_(std::move(schema)), extents_(extents) {
  for (const Field& field : schema_.fields()) {
    shapes_.push_back(FullShape(field, extents_));
    offsets_.push_back(total_bytes_);
    total_bytes_ += AlignUp(static_cast<size_t>(NumElements(shapes_.back())) * SizeOf(field.dtype));
  }
}

size_t Layout::bytes(int field) const {
  return static_cast<size_t>(NumElements(shape(field))) *
         SizeOf(schema_.fields()[static_cast<size_t>(field)].dtype);
}

TensorView Layout::View(int field, std::byte* payload) const {
  return {schema_.fields()[static_cast<size_t>(field)].dtype, shape(field),
          payload + offset(field)};
}

TensorView Layout::View(std::string_view name, std::byte* payload) const {
  const int field = schema_.Find(name);
  MILLRACE_CHECK(field >= 0, name);
  return View(field, payload);
}

}  // namespace millrace
