// Where trainable parameters lie while our own kernels train them.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "kernels/packed_layer.h"
#include "millrace/inference/model_spec.h"

namespace millrace {

// A parameter of the model in both orders. A vector [out] is a matrix of one input.
struct NativeParameter {
  int64_t padded_out() const { return blocks * PadToPanel(out / blocks); }
  // Where output `o` stands in a row.
  int64_t column(int64_t o) const {
    const int64_t width = out / blocks;
    return o / width * PadToPanel(width) + o % width;
  }
  // The first output behind o's block.
  int64_t end_of_block(int64_t o) const {
    const int64_t width = out / blocks;
    return (o / width + 1) * width;
  }

  int64_t in = 1, out = 0;
  int64_t blocks = 1;  // parts of the outputs, each padded by itself: the gates of a cell
  size_t flat = 0;     // offset in the order of ParameterLayout, there [out, in]
  int64_t offset = 0;  // offset in the native buffers, there [in, padded_out()]
};

// Parameters, gradients and Adam's moments lie in buffers of size() floats, weights transposed and
// outputs padded to panels. Padding stays zero. Thread-compatible.
class NativeLayout {
 public:
  explicit NativeLayout(const ModelSpec& spec) : flat_(spec) {}

  bool Has(const std::string& name) const { return flat_.Find(name) != nullptr; }
  // Appends a parameter that the model has.
  NativeParameter Add(const std::string& name, int64_t blocks = 1);

  int64_t size() const { return size_; }
  // Translate from and to the order of ParameterLayout.
  void Import(std::span<const float> flat, float* native) const;
  void Export(const float* native, std::span<float> flat) const;

 private:
  // Calls pair(offset in the flat order, offset in the native buffers) for every number.
  template <typename Pair>
  void PairUp(Pair pair) const;

  const ParameterLayout flat_;
  std::vector<NativeParameter> parameters_;
  int64_t size_ = 0;
};

}  // namespace millrace
