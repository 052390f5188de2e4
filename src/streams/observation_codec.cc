#include "streams/observation_codec.h"

#include <zstd.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <string_view>
#include <type_traits>

#include "core/bfloat16.h"
#include "millrace/core/check.h"
#include "millrace/core/status.h"

namespace millrace {
namespace {

constexpr int kLevel = 1;  // of Zstandard: higher ones take longer and gain little here
constexpr std::string_view kObservation = "observation/";
// Multiples lie within so many, so that their differences fit into 32 bits.
constexpr double kMaxMultiple = 1 << 29;

template <typename T>
using BitsOf = std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t>;

// Small numbers of either sign become small numbers.
uint64_t Fold(int32_t difference) {
  return static_cast<uint32_t>(difference) << 1 ^ static_cast<uint32_t>(difference >> 31);
}
int32_t Unfold(uint32_t folded) { return static_cast<int32_t>(folded >> 1 ^ (0U - (folded & 1))); }

int32_t MultipleOf(double number, double step) {
  return static_cast<int32_t>(std::lrint(number / step));
}

}  // namespace

struct ObservationCodec::Zstandard {
  ~Zstandard() {
    ZSTD_freeCCtx(compress);
    ZSTD_freeDCtx(decompress);
  }
  ZSTD_CCtx* const compress = ZSTD_createCCtx();
  ZSTD_DCtx* const decompress = ZSTD_createDCtx();
};

class ObservationCodec::Writer {
 public:
  explicit Writer(std::vector<std::byte>& to) : to_(to) { to_.clear(); }
  void Put(const void* data, size_t bytes) {
    const auto* from = static_cast<const std::byte*>(data);
    to_.insert(to_.end(), from, from + bytes);
  }
  // So many more, to be written by somebody else; Shrink() gives back what he did not need.
  std::byte* Grow(size_t bytes) {
    to_.resize(to_.size() + bytes);
    return to_.data() + to_.size() - bytes;
  }
  void Shrink(size_t bytes) { to_.resize(to_.size() - bytes); }

 private:
  std::vector<std::byte>& to_;
};

class ObservationCodec::Reader {
 public:
  explicit Reader(std::span<const std::byte> from) : from_(from) {}
  bool empty() const { return from_.empty(); }
  // Null if there are not so many.
  const std::byte* Take(size_t bytes) {
    if (bytes > from_.size()) return nullptr;
    const std::byte* const taken = from_.data();
    from_ = from_.subspan(bytes);
    return taken;
  }

 private:
  std::span<const std::byte> from_;
};

ObservationCodecOptions ObservationCodecOptions::From(const SampleStreamConfig& config) {
  ObservationCodecOptions options{.error = config.observation_error};
  if (config.observations == "bfloat16") options.encoding = ObservationEncoding::kBfloat16;
  if (config.observations == "bounded") options.encoding = ObservationEncoding::kBounded;
  return options;
}

std::unique_ptr<ObservationCodec> MakeObservationCodec(const Layout& layout,
                                                       const ObservationCodecOptions& options) {
  if (options.encoding == ObservationEncoding::kRaw) return nullptr;
  return std::make_unique<ObservationCodec>(layout, options);
}

ObservationCodec::ObservationCodec(const Layout& layout, const ObservationCodecOptions& options)
    : options_(options), zstandard_(std::make_unique<Zstandard>()) {
  MILLRACE_CHECK(options.encoding != ObservationEncoding::kRaw, "nothing to encode");
  const auto& fields = layout.schema().fields();
  for (int i = 0; i < static_cast<int>(fields.size()); ++i) {
    const Field& field = fields[static_cast<size_t>(i)];
    Section section{.offset = layout.offset(i), .bytes = layout.bytes(i)};
    section.encoded = field.name.starts_with(kObservation) &&
                      (field.dtype == DType::kFloat32 || field.dtype == DType::kFloat64);
    section.dtype = field.dtype;
    section.features = NumElements(field.shape);
    const bool in_time =
        field.extent == Extent::kSteps || field.extent == Extent::kStepsAndBootstrap;
    const int64_t columns = NumElements(layout.shape(i)) / section.features;
    section.steps = in_time ? layout.shape(i)[0] : 1;
    section.rows = columns / section.steps;
    sections_.push_back(section);
  }
}

ObservationCodec::~ObservationCodec() = default;

size_t ObservationCodec::max_bytes() const {
  size_t bytes = 0;
  for (const Section& section : sections_) {
    bytes += section.bytes;
    if (!section.encoded) continue;
    bytes += sizeof(uint32_t) + static_cast<size_t>(section.features) * sizeof(double) +
             ZSTD_compressBound(section.bytes) - section.bytes;
  }
  return bytes;
}

void ObservationCodec::Encode(const std::byte* payload, std::vector<std::byte>& encoded) {
  Writer writer(encoded);
  for (const Section& section : sections_) {
    const std::byte* from = payload + section.offset;
    if (!section.encoded) {
      writer.Put(from, section.bytes);
    } else if (section.dtype == DType::kFloat32) {
      EncodeNumbers(section, reinterpret_cast<const float*>(from), writer);
    } else {
      EncodeNumbers(section, reinterpret_cast<const double*>(from), writer);
    }
  }
}

absl::Status ObservationCodec::Decode(std::span<const std::byte> encoded, std::byte* payload) {
  Reader reader(encoded);
  for (const Section& section : sections_) {
    std::byte* const to = payload + section.offset;
    if (!section.encoded) {
      const std::byte* from = reader.Take(section.bytes);
      if (from == nullptr) return absl::DataLossError("encoded segment: too short");
      std::memcpy(to, from, section.bytes);
    } else if (section.dtype == DType::kFloat32) {
      MILLRACE_RETURN_IF_ERROR(DecodeNumbers(section, reader, reinterpret_cast<float*>(to)));
    } else {
      MILLRACE_RETURN_IF_ERROR(DecodeNumbers(section, reader, reinterpret_cast<double*>(to)));
    }
  }
  if (reader.empty()) return absl::OkStatus();
  return absl::DataLossError("encoded segment: too long");
}

template <typename T>
void ObservationCodec::EncodeNumbers(const Section& section, const T* numbers, Writer& writer) {
  if (options_.encoding == ObservationEncoding::kBounded) {
    EncodeBounded(section, numbers, writer);
    return;
  }
  std::byte* to = writer.Grow(static_cast<size_t>(section.size()) * sizeof(uint16_t));
  for (int64_t i = 0; i < section.size(); ++i) {
    // A double is rounded twice, and what float32 cannot hold to its largest number.
    constexpr T kLargest = std::numeric_limits<float>::max();
    const uint16_t half =
        ToBfloat16(static_cast<float>(std::clamp(numbers[i], -kLargest, kLargest)));
    std::memcpy(to + i * 2, &half, sizeof(half));
  }
}

template <typename T>
absl::Status ObservationCodec::DecodeNumbers(const Section& section, Reader& reader, T* numbers) {
  if (options_.encoding == ObservationEncoding::kBounded) {
    return DecodeBounded(section, reader, numbers);
  }
  const std::byte* from = reader.Take(static_cast<size_t>(section.size()) * sizeof(uint16_t));
  if (from == nullptr) return absl::DataLossError("encoded segment: too short");
  for (int64_t i = 0; i < section.size(); ++i) {
    uint16_t half;
    std::memcpy(&half, from + i * 2, sizeof(half));
    numbers[i] = FromBfloat16(half);
  }
  return absl::OkStatus();
}

template <typename T>
void ObservationCodec::ChooseSteps(const Section& section, const T* numbers) {
  const int64_t columns = section.steps * section.rows;
  const auto features = static_cast<size_t>(section.features);
  std::vector<double> sums(features), squares(features);
  // About the first value of each feature, which is near its mean.
  for (int64_t c = 0; c < columns; ++c) {
    const T* const column = numbers + c * section.features;
    for (size_t f = 0; f < features; ++f) {
      const double distance = static_cast<double>(column[f]) - static_cast<double>(numbers[f]);
      sums[f] += distance;
      squares[f] += distance * distance;
    }
  }
  steps_.resize(features);
  for (size_t f = 0; f < features; ++f) {
    const double mean = sums[f] / static_cast<double>(columns);
    const double variance = squares[f] / static_cast<double>(columns) - mean * mean;
    const double step = 1.999 * options_.error * std::sqrt(std::max(variance, 0.0));
    steps_[f] = std::isnormal(step) ? step : 0.0;
  }
  // Rounding to T must not lead beyond the error, which is a little more than half a step.
  for (int64_t c = 0; c < columns; ++c) {
    const T* const column = numbers + c * section.features;
    for (size_t f = 0; f < features; ++f) {
      const double number = column[f], step = steps_[f];
      if (step == 0) continue;
      const bool fits = std::fabs(number / step) < kMaxMultiple;
      const double decoded = fits ? static_cast<T>(MultipleOf(number, step) * step) : 0.0;
      if (!fits || std::fabs(decoded - number) > 0.50025 * step) steps_[f] = 0;
    }
  }
}

// Words are multiples, or bits, and then their differences from the same feature a step before; all
// words' lowest bytes come first, which leaves long runs of zeros behind them.
template <typename T>
void ObservationCodec::EncodeBounded(const Section& section, const T* numbers, Writer& writer) {
  ChooseSteps(section, numbers);
  const int64_t size = section.size();
  words_.resize(static_cast<size_t>(size));
  for (int64_t first = 0; first < size; first += section.features) {
    for (int64_t f = 0; f < section.features; ++f) {
      const double step = steps_[static_cast<size_t>(f)];
      words_[static_cast<size_t>(first + f)] =
          step == 0 ? std::bit_cast<BitsOf<T>>(numbers[first + f])
                    : static_cast<uint32_t>(MultipleOf(numbers[first + f], step));
    }
  }
  for (int64_t first = size - section.features; first >= 0; first -= section.features) {
    const uint64_t* const last = Before(section, first);
    uint64_t* const words = words_.data() + first;
    for (int64_t f = 0; f < section.features; ++f) {
      const uint64_t before = last != nullptr ? last[f] : 0;
      words[f] = steps_[static_cast<size_t>(f)] == 0
                     ? words[f] ^ before
                     : Fold(static_cast<int32_t>(static_cast<uint32_t>(words[f] - before)));
    }
  }
  planes_.resize(section.bytes);
  for (size_t plane = 0; plane < sizeof(T); ++plane) {
    std::byte* const to = planes_.data() + static_cast<int64_t>(plane) * size;
    for (int64_t i = 0; i < size; ++i) {
      to[i] = static_cast<std::byte>(words_[static_cast<size_t>(i)] >> 8 * plane);
    }
  }
  writer.Put(steps_.data(), steps_.size() * sizeof(double));
  const size_t bound = ZSTD_compressBound(planes_.size());
  std::byte* const to = writer.Grow(sizeof(uint32_t) + bound);
  const size_t used = ZSTD_compressCCtx(zstandard_->compress, to + sizeof(uint32_t), bound,
                                        planes_.data(), planes_.size(), kLevel);
  MILLRACE_CHECK(!ZSTD_isError(used), "there is room");
  const auto length = static_cast<uint32_t>(used);
  std::memcpy(to, &length, sizeof(length));
  writer.Shrink(bound - used);
}

template <typename T>
absl::Status ObservationCodec::DecodeBounded(const Section& section, Reader& reader, T* numbers) {
  const absl::Status damaged = absl::DataLossError("encoded segment: damaged");
  steps_.resize(static_cast<size_t>(section.features));
  const std::byte* const steps = reader.Take(steps_.size() * sizeof(double));
  if (steps == nullptr) return damaged;
  std::memcpy(steps_.data(), steps, steps_.size() * sizeof(double));
  for (const double step : steps_) {
    if (step != 0 && !(step > 0 && std::isnormal(step))) return damaged;
  }
  uint32_t bytes;
  const std::byte* const length = reader.Take(sizeof(bytes));
  if (length == nullptr) return damaged;
  std::memcpy(&bytes, length, sizeof(bytes));
  const std::byte* const from = reader.Take(bytes);
  if (from == nullptr) return damaged;
  planes_.resize(section.bytes);
  if (ZSTD_decompressDCtx(zstandard_->decompress, planes_.data(), planes_.size(), from, bytes) !=
      planes_.size()) {
    return damaged;
  }
  const int64_t size = section.size();
  words_.assign(static_cast<size_t>(size), 0);
  for (size_t plane = 0; plane < sizeof(T); ++plane) {
    const std::byte* const part = planes_.data() + static_cast<int64_t>(plane) * size;
    for (int64_t i = 0; i < size; ++i) {
      words_[static_cast<size_t>(i)] |= static_cast<uint64_t>(part[i]) << 8 * plane;
    }
  }
  for (int64_t first = 0; first < size; first += section.features) {
    const uint64_t* const last = Before(section, first);
    uint64_t* const words = words_.data() + first;
    for (int64_t f = 0; f < section.features; ++f) {
      const double step = steps_[static_cast<size_t>(f)];
      const uint64_t before = last != nullptr ? last[f] : 0;
      if (step == 0) {
        words[f] ^= before;
        numbers[first + f] = std::bit_cast<T>(static_cast<BitsOf<T>>(words[f]));
      } else {
        // Forged ones may wrap around.
        const auto difference = static_cast<uint32_t>(Unfold(static_cast<uint32_t>(words[f])));
        const uint32_t multiple = difference + static_cast<uint32_t>(before);
        const double number = static_cast<int32_t>(multiple) * step;
        if (std::fabs(number) > std::numeric_limits<T>::max()) return damaged;
        words[f] = multiple;
        numbers[first + f] = static_cast<T>(number);
      }
    }
  }
  return absl::OkStatus();
}

// The words that those at `first` are compared with: of the same row a step before, in the first
// step of the row before; null for the first row.
const uint64_t* ObservationCodec::Before(const Section& section, int64_t first) const {
  const int64_t step = section.rows * section.features;
  const int64_t distance = first >= step ? step : section.features;
  return first >= distance ? words_.data() + first - distance : nullptr;
}

}  // namespace millrace
