// What all N:M-sparse networks have in common: which weights take part, since when, and where they
// are packed.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "backends/nm_sparse/sparse_layer.h"
#include "core/thread_team.h"
#include "kernels/aligned_buffer.h"

namespace millrace {

// Begins with newly chosen weights, once it has some. Flat parameters are in the order of
// ParameterLayout. Bound to one thread, for which others work.
class SparseNetwork {
 public:
  virtual ~SparseNetwork() = default;
  SparseNetwork(const SparseNetwork&) = delete;
  SparseNetwork& operator=(const SparseNetwork&) = delete;

  // After a step that was taken elsewhere: packs the weights, which `flat` returns, at the places
  // chosen last unless the step is to choose them anew. They are kept, in the network's order.
  void TakeStep(absl::FunctionRef<std::span<const float>()> flat) {
    const bool choose = CountStep();
    if (choose || !Follow()) Pack(flat(), choose);
  }
  const float* taken() const { return flat_.data(); }
  // A train step is done; whether weights are to be chosen anew.
  bool EndIteration();
  // Not after a step: chooses weights, or keeps those chosen before, and packs them. Parameters are
  // as of TakeStep().
  void Pack(std::span<const float> flat, bool choose);

  // All that are packed.
  virtual std::vector<const SparseLayer*> Layers() const = 0;
  // The forward matrix of a layer, as it was packed last; null if the layer is not packed.
  const sparse::PackedMatrix* MatrixOf(const std::string& layer) const;

  // Whether all weights take part for now. Pack() must follow a change.
  bool dense() const { return dense_; }
  void SetDense(bool dense);
  // The pull to zero from now on.
  double decay() const { return decay_; }
  void SetDecay(double decay);
  // Steps or iterations, whichever choose weights, since they last did.
  int64_t since_choice() const { return since_choice_; }
  void set_since_choice(int64_t count) { since_choice_ = count; }
  // As SparseLayer's, of all layers.
  size_t place_bytes() const;
  void WritePlaces(std::span<std::byte> to) const;
  absl::Status ReadPlaces(std::span<const std::byte> from);
  SparseLayer::Counts CountFlips(std::span<const std::byte> before,
                                 std::span<const std::byte> after) const;
  SparseLayer::Counts Choices() const;
  // Sets numbers in the order of ParameterLayout to 0 for weights that do not take part in the
  // forward product. Of layers that know them (SparseLayer::taking_part()).
  void ClearLeftOut(std::span<float> flat) const;

 protected:
  SparseNetwork(const ModelSpec& spec, const Sparsity& sparsity, int threads);

  const sparse::KernelSet& kernels() const { return kernels_; }
  ThreadTeam& team() { return team_; }
  SparseLayout& layout() { return layout_; }
  const SparseLayout& layout() const { return layout_; }
  std::vector<SparseLayer*> Layers();
  // Whether the step that is being taken chooses weights.
  bool CountStep();
  // Calls visit(layer, part, whether to choose weights) for all parts of all layers.
  template <typename Visit>
  void ForParts(bool choose, Visit visit) {
    std::vector<std::pair<SparseLayer*, int64_t>> parts;
    for (SparseLayer* layer : Layers()) {
      for (int64_t part = 0; part < layer->parts(); ++part) parts.emplace_back(layer, part);
    }
    choose = choose || !chosen_;
    team_.Run(static_cast<int64_t>(parts.size()), [&](int64_t i, int) {
      visit(*parts[static_cast<size_t>(i)].first, parts[static_cast<size_t>(i)].second, choose);
    });
    if (choose) since_choice_ = 0;
    other_places_ = other_places_ || choose;
    chosen_ = true;
  }
  // Parameters are in the layout's order.
  void PackAll(const float* parameters, bool choose);
  // Whether the network computes with the weights after a step as they are, so that Pack() may
  // wait.
  virtual bool Follow() { return false; }
  // All layers were packed from taken(), at places that may be others than those before or not.
  virtual void Packed(bool /*others*/) {}

 private:
  const sparse::KernelSet& kernels_;
  const Refresh refresh_;
  const int64_t refresh_interval_;
  ThreadTeam team_;
  SparseLayout layout_;
  bool chosen_ = false;        // since the beginning
  bool other_places_ = false;  // than at the last Packed()
  bool dense_ = false;
  double decay_;
  int64_t since_choice_ = 0;
  AlignedFloats flat_;  // what TakeStep() or Pack() took
};

}  // namespace millrace
