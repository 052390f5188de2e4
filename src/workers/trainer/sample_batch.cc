#include "workers/trainer/sample_batch.h"

#include <algorithm>
#include <cstring>
#include <span>
#include <tuple>

#include "millrace/core/check.h"

namespace millrace {
namespace {

// The payload is shared memory that this process only reads; views are writable by type.
TensorView View(const Layout& layout, size_t field, const std::byte* payload) {
  return layout.View(static_cast<int>(field), const_cast<std::byte*>(payload));
}

// Leading blocks (steps, chunks) and the bytes of one segment's share of a block.
struct Blocks {
  int64_t count = 1;
  size_t bytes = 0;
};

Blocks BlocksOf(const Field& field, const TensorView& one) {
  const bool per_step = field.extent != Extent::kRows;
  const int64_t count = per_step ? one.shape[0] : 1;
  return {count, one.bytes() / static_cast<size_t>(std::max<int64_t>(count, 1))};
}

std::vector<int64_t> BatchShape(const Field& field, const TensorView& one, int64_t segments) {
  std::vector<int64_t> shape(one.shape.begin(), one.shape.end());
  switch (field.extent) {
    case Extent::kRows:
      shape[0] *= segments;
      break;
    case Extent::kTime:
      shape.insert(shape.begin() + 1, segments);
      break;
    default:
      shape[1] *= segments;
      break;
  }
  return shape;
}

template <typename Word>
bool HasSpecialExponent(const TensorView& view, Word exponent_mask) {
  const auto* words = reinterpret_cast<const Word*>(view.data);
  Word special = 0;
  // All exponent bits set means infinity or NaN; a branch-free loop that the compiler vectorises.
  for (int64_t i = 0; i < view.size(); ++i) {
    special |= static_cast<Word>((words[i] & exponent_mask) == exponent_mask);
  }
  return special != 0;
}

}  // namespace

int64_t SampleBatch::columns() const {
  const auto reward = fields.find("reward");
  // All fields of a dataset are [T, B, ...].
  const auto& per_step = reward == fields.end() ? fields.begin() : reward;
  return per_step == fields.end() ? 0 : per_step->second.shape[1];
}

SampleBatch AssembleBatch(uint64_t epoch, uint64_t number, std::vector<ReceivedSegment> segments,
                          const Layout& layout) {
  MILLRACE_CHECK(!segments.empty());
  std::sort(segments.begin(), segments.end(), [](const auto& a, const auto& b) {
    return std::tie(a.header.credit.slot, a.header.producer, a.header.incarnation, a.header.group,
                    a.header.sequence) < std::tie(b.header.credit.slot, b.header.producer,
                                                  b.header.incarnation, b.header.group,
                                                  b.header.sequence);
  });
  SampleBatch batch;
  batch.epoch = epoch;
  batch.number = number;
  batch.version_min = segments.front().header.version_min;
  for (const ReceivedSegment& segment : segments) {
    batch.version_min = std::min(batch.version_min, segment.header.version_min);
  }
  const auto& fields = layout.schema().fields();
  for (size_t f = 0; f < fields.size(); ++f) {
    const TensorView first = View(layout, f, segments.front().payload);
    SampleBatch::Tensor tensor;
    tensor.dtype = fields[f].dtype;
    tensor.shape = BatchShape(fields[f], first, static_cast<int64_t>(segments.size()));
    tensor.bytes.resize(first.bytes() * segments.size());
    const Blocks blocks = BlocksOf(fields[f], first);
    for (size_t s = 0; s < segments.size(); ++s) {
      const std::byte* source = View(layout, f, segments[s].payload).data;
      for (int64_t block = 0; block < blocks.count; ++block) {
        const size_t row = static_cast<size_t>(block);
        std::memcpy(tensor.bytes.data() + (row * segments.size() + s) * blocks.bytes,
                    source + row * blocks.bytes, blocks.bytes);
      }
    }
    batch.fields.emplace(fields[f].name, std::move(tensor));
  }
  batch.segments = std::move(segments);
  return batch;
}

bool AllFinite(const ReceivedSegment& segment, const Layout& layout) {
  const auto& fields = layout.schema().fields();
  for (size_t f = 0; f < fields.size(); ++f) {
    const TensorView view = View(layout, f, segment.payload);
    if (fields[f].dtype == DType::kFloat32 && HasSpecialExponent<uint32_t>(view, 0x7F800000u)) {
      return false;
    }
    if (fields[f].dtype == DType::kFloat64 &&
        HasSpecialExponent<uint64_t>(view, 0x7FF0000000000000u)) {
      return false;
    }
  }
  return true;
}

}  // namespace millrace
