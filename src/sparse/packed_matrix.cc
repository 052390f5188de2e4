#include "sparse/packed_matrix.h"

#include <algorithm>
#include <bit>
#include <bitset>

#include "millrace/core/check.h"
#include "millrace/core/status.h"
#include "sparse/pattern.h"

namespace millrace::sparse {
namespace {

int64_t PairsOf(const Pattern& pattern, int64_t inputs) {
  if (pattern.tiles) return (pattern.KeptOfTile(inputs) + 1) / 2;
  const int64_t groups = (inputs + pattern.group - 1) / pattern.group;
  return (groups * pattern.kept + 1) / 2;
}

}  // namespace

PackedMatrix::PackedMatrix(int64_t outputs, int64_t inputs, const Pattern& pattern,
                           const KernelSet& kernels)
    : outputs_(outputs),
      inputs_(inputs),
      pattern_(pattern),
      kernels_(kernels),
      block_(DepthBlock(kernels.precision)),
      pairs_(PairsOf(pattern, block_)),
      value_bytes_(2 * ElementBytes(kernels.precision) * kPanel) {
  MILLRACE_CHECK(IsKnown(pattern), "no kernels for this pattern");
  const int64_t pairs = pairs_ * blocks() * panels();
  offsets_.Reserve(static_cast<size_t>(pairs * kPanel / pattern.shared_by));
  values_.Reserve(static_cast<size_t>(pairs * value_bytes_));
}

size_t PackedMatrix::bytes() const {
  const int64_t pairs = pairs_ * blocks() * panels();
  return static_cast<size_t>(pairs * (kPanel / pattern_.shared_by * 4 + value_bytes_));
}

int64_t PackedMatrix::InputsOfBlock(int64_t block) const {
  return std::min(block_, inputs_ - block * block_);
}

int64_t PackedMatrix::PairsOfBlock(int64_t block) const {
  return PairsOf(pattern_, InputsOfBlock(block));
}

int64_t PackedMatrix::UsedPairs() const {
  int64_t pairs = 0;
  for (int64_t block = 0; block < blocks(); ++block) pairs += PairsOfBlock(block) * panels();
  return pairs;
}

PackedPanel PackedMatrix::PanelAt(int64_t block, int64_t panel) const {
  const int64_t pairs = (block * panels() + panel) * pairs_;
  return {.offsets = offsets_.data() + pairs * kPanel / pattern_.shared_by,
          .values = values_.data() + pairs * value_bytes_};
}

template <typename Function>
void PackedMatrix::ForPanels(const MatrixView& weights, const Part& part, Function function) {
  MILLRACE_CHECK(weights.outputs == outputs_ && weights.inputs == inputs_, "another matrix");
  // A panel at a time if that reads along rows, otherwise all panels.
  const int64_t step = weights.depth == 1 ? kPanel : part.end_output - part.begin_output;
  for (int64_t first = part.begin_output; first < part.end_output; first += step) {
    const int64_t last = std::min(first + step, part.end_output);
    int64_t end = 0;
    for (int64_t begin = part.begin_input; begin < part.end_input; begin = end) {
      const int64_t block = begin / block_, before = block * block_;
      end = std::min(before + InputsOfBlock(block), part.end_input);
      function(pattern_,
               {.data = weights.data + first * weights.row + before * weights.depth,
                .row = weights.row,
                .depth = weights.depth,
                .outputs = last - first,
                .begin = begin - before,
                .end = end - before},
               {.first = PanelAt(block, first / kPanel),
                .offsets_stride = pairs_ * kPanel / pattern_.shared_by,
                .values_stride = pairs_ * value_bytes_,
                .pairs = PairsOfBlock(block)});
    }
  }
}

void PackedMatrix::Pack(const MatrixView& weights, const Part& part) {
  ForPanels(weights, part, kernels_.pack);
  Spread(part);
}

void PackedMatrix::Repack(const MatrixView& weights, const Part& part) {
  ForPanels(weights, part, kernels_.repack);
  Spread(part);
}

void PackedMatrix::MultiplyAsDense(bool as_dense) {
  as_dense_ = as_dense && !IsDense(pattern_)
                  ? std::make_unique<PackedMatrix>(outputs_, inputs_, DensePattern(), kernels_)
                  : nullptr;
}

void PackedMatrix::Spread(const Part& part) {
  if (as_dense_ == nullptr) return;
  for (int64_t block = part.begin_input / block_; block * block_ < part.end_input; ++block) {
    for (int64_t panel = part.begin_output / kPanel; panel * kPanel < part.end_output; ++panel) {
      kernels_.spread(pattern_, PanelAt(block, panel), InputsOfBlock(block),
                      as_dense_->PanelAt(block, panel));
    }
  }
}

template <typename Finish>
void PackedMatrix::Product(const std::byte* tile, float* scratch, bool first, bool last,
                           Finish finish) const {
  if (as_dense_ != nullptr) return as_dense_->Product(tile, scratch, first, last, finish);
  const int64_t block_bytes = block_ * kTile * ElementBytes(kernels_.precision);
  for (int64_t block = 0; block < blocks(); ++block) {
    const bool last_block = last && block + 1 == blocks();
    for (int64_t panel = 0; panel < panels(); ++panel) {
      float* sums = scratch + panel * kPanel * kTile;
      kernels_.product(PanelAt(block, panel), PairsOfBlock(block), pattern_.shared_by,
                       tile + block * block_bytes, first && block == 0, last_block, sums);
      if (last_block) finish(panel, sums);
    }
  }
}

void PackedMatrix::Multiply(
    const std::byte* tile, float* scratch,
    absl::FunctionRef<void(int64_t panel, const float* sums)> finish) const {
  Product(tile, scratch, /*first=*/true, /*last=*/true, finish);
}

void PackedMatrix::MultiplyFirst(const std::byte* tile, float* scratch) const {
  Product(tile, scratch, /*first=*/true, /*last=*/false, [](int64_t, const float*) {});
}

void PackedMatrix::MultiplyAdd(
    const std::byte* tile, float* scratch,
    absl::FunctionRef<void(int64_t panel, const float* sums)> finish) const {
  Product(tile, scratch, /*first=*/false, /*last=*/true, finish);
}

template <typename Visit>
void PackedMatrix::ForTilePlaces(Visit visit) const {
  for (int64_t block = 0; block < blocks(); ++block) {
    for (int64_t panel = 0; panel < panels(); ++panel) {
      uint32_t* const offsets = PanelAt(block, panel).offsets;
      for (int64_t pair = 0; pair < PairsOfBlock(block); ++pair) {
        visit(offsets[pair], InputsOfBlock(block));
      }
    }
  }
}

template <typename Visit>
void PackedMatrix::ForPlaces(Visit visit) const {
  // A pair is two of a group or, if one of each group is kept, of two groups.
  const int64_t pairs_of_group = std::max<int64_t>(1, pattern_.kept / 2);
  const int64_t step = pattern_.kept == 1 ? 2 * pattern_.group : pattern_.group;
  for (int64_t block = 0; block < blocks(); ++block) {
    for (int64_t panel = 0; panel < panels(); ++panel) {
      uint32_t* offsets = PanelAt(block, panel).offsets;
      for (int64_t pair = 0; pair < PairsOfBlock(block); ++pair) {
        const int64_t first = pair / pairs_of_group * step;
        // There may be no second group, or no second input.
        const bool apart = pattern_.kept == 1 && first + pattern_.group < InputsOfBlock(block);
        const PairPlace place = {.first = first,
                                 .second = apart ? first + pattern_.group : first,
                                 .end = std::min(first + step, InputsOfBlock(block))};
        for (int64_t i = 0; i < kPanel / pattern_.shared_by; ++i) visit(*offsets++, place);
      }
    }
  }
}

size_t PackedMatrix::place_bytes() const {
  if (IsDense(pattern_)) return 0;
  if (pattern_.tiles) return static_cast<size_t>(2 * UsedPairs());
  return static_cast<size_t>(UsedPairs() * kPanel / pattern_.shared_by);
}

void PackedMatrix::WritePlaces(std::byte* to) const {
  if (IsDense(pattern_)) return;
  if (pattern_.tiles) {
    ForTilePlaces([&](uint32_t offset, int64_t) {
      *to++ = static_cast<std::byte>((offset & 0xFFFF) / unit());
      *to++ = static_cast<std::byte>((offset >> 16) / unit());
    });
    return;
  }
  ForPlaces([&](uint32_t offset, const PairPlace& place) {
    const int64_t first = int64_t{offset & 0xFFFF} / unit() - place.first;
    const int64_t second = int64_t{offset >> 16} / unit() - place.second;
    *to++ = static_cast<std::byte>(first | second << 4);
  });
}

absl::Status PackedMatrix::ReadPlaces(const std::byte* from) {
  bool valid = true;
  const auto status = [&] {
    return valid ? absl::OkStatus()
                 : absl::DataLossError("packed weights: a place outside of its group");
  };
  if (pattern_.tiles) {
    ForTilePlaces([&](uint32_t& offset, int64_t inputs) {
      const auto first = static_cast<int64_t>(*from++), second = static_cast<int64_t>(*from++);
      valid = valid && first < inputs && second < inputs;
      offset = static_cast<uint32_t>(first * unit() | second * unit() << 16);
    });
    return status();
  }
  ForPlaces([&](uint32_t& offset, const PairPlace& place) {
    int64_t first = place.first, second = place.second;
    if (IsDense(pattern_)) {
      second = std::min(first + 1, place.end - 1);
    } else {
      const auto places = static_cast<int64_t>(*from++);
      first += places & 0xF;
      second += places >> 4;
    }
    valid = valid && first < place.end && second < place.end;
    offset = static_cast<uint32_t>(first * unit() | second * unit() << 16);
  });
  return status();
}

int64_t PackedMatrix::CountTileFlips(const std::byte* before, const std::byte* after) const {
  int64_t flips = 0;
  for (int64_t block = 0; block < blocks(); ++block) {
    for (int64_t panel = 0; panel < panels(); ++panel) {
      const int64_t bytes = 2 * PairsOfBlock(block);
      // A place that is left over repeats another.
      const auto mark = [&](const std::byte* places) {
        std::bitset<256> chosen;
        for (int64_t i = 0; i < bytes; ++i) chosen.set(static_cast<size_t>(places[i]));
        return chosen;
      };
      const auto changed = static_cast<int64_t>((mark(before) ^ mark(after)).count());
      flips += changed * std::min(kPanel, outputs_ - panel * kPanel);
      before += bytes;
      after += bytes;
    }
  }
  return flips;
}

int64_t PackedMatrix::CountFlips(const std::byte* before, const std::byte* after) const {
  if (IsDense(pattern_)) return 0;
  if (pattern_.tiles) return CountTileFlips(before, after);
  const int64_t pairs_of_group = std::max<int64_t>(1, pattern_.kept / 2);
  const int64_t lanes = kPanel / pattern_.shared_by;
  int64_t flips = 0;
  for (int64_t block = 0; block < blocks(); ++block) {
    const int64_t groups = (InputsOfBlock(block) + pattern_.group - 1) / pattern_.group;
    for (int64_t panel = 0; panel < panels(); ++panel) {
      for (int64_t pair = 0; pair < PairsOfBlock(block); pair += pairs_of_group) {
        // If one of each group is kept, a pair is of two groups, of which there may be no second.
        const bool apart = pattern_.kept == 1;
        const bool second = !apart || 2 * pair + 1 < groups;
        const auto chosen = [&](const std::byte* places) {
          uint32_t bits = 0;
          for (int64_t i = 0; i < pairs_of_group; ++i) {
            const auto both = static_cast<uint32_t>(places[i * lanes]);
            bits |= 1U << (both & 0xF);
            if (second) bits |= 1U << ((both >> 4) + (apart ? 16 : 0));
          }
          return bits;
        };
        for (int64_t lane = 0; lane < lanes; ++lane) {
          const int64_t output = panel * kPanel + lane * pattern_.shared_by;
          flips += std::popcount(chosen(before + lane) ^ chosen(after + lane)) *
                   std::clamp<int64_t>(outputs_ - output, 0, pattern_.shared_by);
        }
        before += pairs_of_group * lanes;
        after += pairs_of_group * lanes;
      }
    }
  }
  return flips;
}

size_t PackedMatrix::wire_bytes() const {
  return place_bytes() + static_cast<size_t>(UsedPairs() * value_bytes_);
}

void PackedMatrix::Write(std::byte* to) const {
  WritePlaces(to);
  to += place_bytes();
  for (int64_t block = 0; block < blocks(); ++block) {
    for (int64_t panel = 0; panel < panels(); ++panel) {
      to = std::copy_n(PanelAt(block, panel).values, PairsOfBlock(block) * value_bytes_, to);
    }
  }
}

absl::Status PackedMatrix::Read(const std::byte* from) {
  MILLRACE_RETURN_IF_ERROR(ReadPlaces(from));
  from += place_bytes();
  for (int64_t block = 0; block < blocks(); ++block) {
    for (int64_t panel = 0; panel < panels(); ++panel) {
      const int64_t bytes = PairsOfBlock(block) * value_bytes_;
      std::copy_n(from, bytes, PanelAt(block, panel).values);
      from += bytes;
    }
  }
  Spread(Whole());
  return absl::OkStatus();
}

void PackedMatrix::Unpack(float* weights) const {
  std::fill_n(weights, outputs_ * inputs_, 0.0F);
  const bool halves = kernels_.precision == Precision::kBfloat16;
  for (int64_t block = 0; block < blocks(); ++block) {
    for (int64_t output = 0; output < outputs_; ++output) {
      const PackedPanel panel = PanelAt(block, output / kPanel);
      const int64_t lane = output % kPanel;
      for (int64_t pair = 0; pair < PairsOfBlock(block); ++pair) {
        const uint32_t offsets = panel.offsets[(pair * kPanel + lane) / pattern_.shared_by];
        float first, second;
        if (halves) {
          const auto word = reinterpret_cast<const uint32_t*>(panel.values)[pair * kPanel + lane];
          first = std::bit_cast<float>(word & 0xFFFF0000);
          second = std::bit_cast<float>(word << 16);
        } else {
          const auto* values = reinterpret_cast<const float*>(panel.values) + pair * 2 * kPanel;
          first = values[lane];
          second = values[kPanel + lane];
        }
        // An input that is repeated has weight 0 the second time.
        float* const row = weights + output * inputs_;
        row[InputAt(block, offsets & 0xFFFF)] += first;
        row[InputAt(block, offsets >> 16)] += second;
      }
    }
  }
}

std::vector<int64_t> PackedMatrix::ChosenInputs(int64_t output) const {
  std::vector<int64_t> inputs;
  for (int64_t block = 0; block < blocks(); ++block) {
    const PackedPanel panel = PanelAt(block, output / kPanel);
    for (int64_t pair = 0; pair < PairsOfBlock(block); ++pair) {
      const uint32_t offsets =
          panel.offsets[(pair * kPanel + output % kPanel) / pattern_.shared_by];
      inputs.push_back(InputAt(block, offsets & 0xFFFF));
      inputs.push_back(InputAt(block, offsets >> 16));
    }
  }
  return inputs;
}

void PackedMatrix::MarkChosen(const Part& part, uint8_t* taking_part) const {
  for (int64_t block = part.begin_input / block_; block * block_ < part.end_input; ++block) {
    for (int64_t output = part.begin_output; output < part.end_output; ++output) {
      const uint32_t* offsets =
          PanelAt(block, output / kPanel).offsets + output % kPanel / pattern_.shared_by;
      uint8_t* const row = taking_part + output * inputs_;
      std::fill_n(row + block * block_, InputsOfBlock(block), uint8_t{0});
      for (int64_t pair = 0; pair < PairsOfBlock(block); ++pair) {
        const uint32_t both = offsets[pair * kPanel / pattern_.shared_by];
        row[InputAt(block, both & 0xFFFF)] = row[InputAt(block, both >> 16)] = 1;
      }
    }
  }
}

}  // namespace millrace::sparse
