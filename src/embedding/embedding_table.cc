#include "embedding/embedding_table.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "core/fnv1a.h"
#include "embedding/kernel_choice.h"
#include "millrace/core/rng.h"
#include "millrace/core/status.h"

namespace millrace::embedding {
namespace {

constexpr int64_t kMaxRows = int64_t{1} << 32;  // places are 32-bit numbers

absl::Status Check(const TableOptions& options) {
  const auto wrong = [&](const char* what, int64_t least, int64_t most, int64_t got) {
    return absl::InvalidArgumentError(absl::StrCat("embedding table ", options.name, ": expected ",
                                                   what, " between ", least, " and ", most,
                                                   ", got ", got));
  };
  if (options.rows < 1 || options.rows > kMaxRows) {
    return wrong("rows", 1, kMaxRows, options.rows);
  }
  if (options.columns < 1 || options.columns > kMaxColumns) {
    return wrong("columns", 1, kMaxColumns, options.columns);
  }
  return absl::OkStatus();
}

}  // namespace

void EmbeddingTable::Unmap::operator()(std::byte* slab) const { munmap(slab, bytes); }

absl::StatusOr<EmbeddingTable> EmbeddingTable::Create(const TableOptions& options, uint64_t seed) {
  MILLRACE_RETURN_IF_ERROR(Check(options));
  EmbeddingTable table(options);
  const auto bytes = static_cast<size_t>(options.bytes());
  void* const slab =
      mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (slab == MAP_FAILED) {
    return absl::ResourceExhaustedError(absl::StrCat("embedding table ", options.name, ": ", bytes,
                                                     " bytes: ", std::strerror(errno)));
  }
  madvise(slab, bytes, MADV_HUGEPAGE);  // or not: slower then
  table.slab_ = {static_cast<std::byte*>(slab), Unmap{bytes}};
  table.rows_ = {
      .data = table.slab_.get(),
      .state = reinterpret_cast<float*>(table.slab_.get() + options.rows * options.row_bytes()),
      .row_bytes = options.row_bytes(),
      .state_size = options.state_size(),
      .columns = options.columns,
      .type = options.type};
  table.Draw(seed);
  return table;
}

void EmbeddingTable::Draw(uint64_t seed) {
  Fnv1a stream;
  stream.Add(std::string_view(options_.name));
  const auto blocks = static_cast<uint64_t>((options_.columns + 3) / 4);
  std::vector<float> numbers(4 * blocks);
  const auto range = static_cast<float>(options_.initial_range);
  for (int64_t row = 0; row < options_.rows; ++row) {
    for (uint64_t block = 0; block < blocks; ++block) {
      const auto words = Philox(seed, stream.state(), static_cast<uint64_t>(row) * blocks + block);
      for (size_t i = 0; i < 4; ++i) {
        numbers[4 * block + i] = range * (2 * ToUnitFloat(words[i]) - 1);
      }
    }
    BestKernels().pack(options_.type, numbers.data(), options_.columns,
                       rows_.data + row * rows_.row_bytes);
  }
}

absl::Status EmbeddingTable::PlacesOf(std::span<const int64_t> ids,
                                      std::span<uint32_t> places) const {
  const auto rows = static_cast<uint64_t>(options_.rows);
  bool all_there = true;
  for (size_t i = 0; i < ids.size(); ++i) {
    all_there &= static_cast<uint64_t>(ids[i]) < rows;
    places[i] = static_cast<uint32_t>(ids[i]);
  }
  if (all_there) return absl::OkStatus();
  size_t i = 0;
  while (static_cast<uint64_t>(ids[i]) < rows) ++i;
  return absl::InvalidArgumentError(absl::StrCat("embedding table ", options_.name,
                                                 ": expected ids from 0 to ", options_.rows - 1,
                                                 ", got ", ids[i], " at ", i));
}

std::vector<float> EmbeddingTable::Row(int64_t id) const {
  std::vector<float> row(static_cast<size_t>(options_.columns));
  BestKernels().unpack(options_.type, rows_.data + id * rows_.row_bytes, options_.columns,
                       row.data());
  return row;
}

std::span<const std::byte> EmbeddingTable::slab() const {
  return {slab_.get(), static_cast<size_t>(options_.bytes())};
}

}  // namespace millrace::embedding
