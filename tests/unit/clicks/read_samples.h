// Samples of a dataset of clicks in memory, for tests.
#pragma once

#include <gtest/gtest.h>

#include <vector>

#include "clicks/click_fields.h"

namespace millrace::clicks {

class Samples {
 public:
  // status() is what reading said.
  Samples(Dataset& dataset, int64_t first, int64_t count)
      : layout_(*Schema::Create(SampleFields(dataset.spec(), Extent::kRows)),
                {.steps = 1, .rows = static_cast<int32_t>(count)}),
        bytes_(layout_.total_bytes(), std::byte{0x55}) {
    for (size_t f = 0; f < layout_.schema().fields().size(); ++f) {
      views_.push_back(layout_.View(static_cast<int>(f), bytes_.data()));
    }
    status_ = dataset.Read(first, count, views_);
  }
  const absl::Status& status() const { return status_; }
  std::span<const float> dense(int64_t i) const { return views_[0][i].As<float>(); }
  std::span<const int64_t> ids(int64_t i) const { return views_[1][i].As<int64_t>(); }
  std::span<const int32_t> counts(int64_t i) const { return views_[2][i].As<int32_t>(); }
  std::span<const float> labels() const { return views_[3].As<float>(); }

 private:
  const Layout layout_;
  std::vector<std::byte> bytes_;
  std::vector<TensorView> views_;
  absl::Status status_;
};

}  // namespace millrace::clicks
