// Observations of a segment in fewer bytes, for streams whose segments travel.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "config/experiment.h"
#include "millrace/data/schema.h"

namespace millrace {

enum class ObservationEncoding : uint32_t {
  kRaw = 0,
  kBfloat16 = 1,  // rounded to the nearest, ties to even
  // Rounded to multiples of twice the largest error, then the differences from one step to the next
  // without loss (dual quantisation, as in CEAZ, arXiv:2106.13306; behind it Zstandard).
  kBounded = 2,
};

struct ObservationCodecOptions {
  ObservationEncoding encoding = ObservationEncoding::kRaw;
  // Of kBounded: the largest error of a number, as a share of the standard deviation that its
  // feature has in the segment. A feature whose type is too coarse for that, which is not finite,
  // or which does not change, is kept as it is.
  double error = 1e-3;

  static ObservationCodecOptions From(const SampleStreamConfig& config);
};

class ObservationCodec;
// Null for kRaw.
std::unique_ptr<ObservationCodec> MakeObservationCodec(const Layout& layout,
                                                       const ObservationCodecOptions& options);

// Translates payloads of one layout. What is no observation, or none of float32 or float64, is kept
// as it is. Bound to one thread.
class ObservationCodec {
 public:
  // The encoding is not kRaw.
  ObservationCodec(const Layout& layout, const ObservationCodecOptions& options);
  ~ObservationCodec();

  // Of what Encode() makes.
  size_t max_bytes() const;
  void Encode(const std::byte* payload, std::vector<std::byte>& encoded);
  // `payload` has layout().total_bytes(). kDataLoss if the bytes cannot be decoded; the payload is
  // then of no use.
  absl::Status Decode(std::span<const std::byte> encoded, std::byte* payload);

 private:
  class Writer;
  class Reader;
  struct Zstandard;
  // A field [steps, columns of features].
  struct Section {
    size_t offset = 0, bytes = 0;  // in the payload
    bool encoded = false;
    DType dtype = DType::kFloat32;
    int64_t steps = 1, rows = 1, features = 1;
    int64_t size() const { return steps * rows * features; }
  };

  // T: float or double.
  template <typename T>
  void EncodeNumbers(const Section& section, const T* numbers, Writer& writer);
  template <typename T>
  absl::Status DecodeNumbers(const Section& section, Reader& reader, T* numbers);
  template <typename T>
  void EncodeBounded(const Section& section, const T* numbers, Writer& writer);
  template <typename T>
  absl::Status DecodeBounded(const Section& section, Reader& reader, T* numbers);
  // Of every feature the distance between two multiples, or 0: kept as it is.
  template <typename T>
  void ChooseSteps(const Section& section, const T* numbers);
  const uint64_t* Before(const Section& section, int64_t first) const;

  const ObservationCodecOptions options_;
  std::vector<Section> sections_;
  std::unique_ptr<Zstandard> zstandard_;
  std::vector<double> steps_;
  std::vector<uint64_t> words_;
  std::vector<std::byte> planes_;
};

// Of a payload as it travels; `codec` may be null.
inline size_t MaxPayloadBytes(const ObservationCodec* codec, const Layout& layout) {
  return codec != nullptr ? codec->max_bytes() : layout.total_bytes();
}

}  // namespace millrace
