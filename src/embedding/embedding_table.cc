#include "embedding/embedding_table.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "core/fnv1a.h"
#include "embedding/kernel_choice.h"
#include "millrace/core/rng.h"
#include "millrace/core/status.h"

namespace millrace::embedding {
namespace {

constexpr int64_t kMaxRows = int64_t{1} << 48;
constexpr int64_t kMaxShardRows = int64_t{1} << 32;  // places are 32-bit numbers

absl::Status Check(const TableOptions& options, const Shard& shard) {
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
  if (shard.rows > kMaxShardRows) return wrong("rows of a shard", 1, kMaxShardRows, shard.rows);
  if (shard.rows < 1 || shard.first_row < 0 || shard.first_row > options.rows - shard.rows) {
    return wrong("the first row of a shard", 0, options.rows - shard.rows, shard.first_row);
  }
  if (shard.columns < 1 || shard.first_column < 0 || shard.first_column % kColumnUnit != 0 ||
      shard.first_column > options.columns - shard.columns) {
    return wrong("the first column of a shard, a multiple of 16,", 0,
                 options.columns - shard.columns, shard.first_column);
  }
  return absl::OkStatus();
}

uint64_t Place(const Shard& shard, int64_t id) {
  return static_cast<uint64_t>(id) - static_cast<uint64_t>(shard.first_row);
}
bool Has(const Shard& shard, int64_t id) {
  return Place(shard, id) < static_cast<uint64_t>(shard.rows);
}

}  // namespace

absl::Status CheckIds(const TableOptions& table, const Shard& shard, std::span<const int64_t> ids) {
  const auto wrong = std::ranges::find_if(ids, [&](int64_t id) { return !Has(shard, id); });
  if (wrong == ids.end()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "embedding table ", table.name, ": expected ids from ", shard.first_row, " to ",
      shard.first_row + shard.rows - 1, ", got ", *wrong, " at ", wrong - ids.begin()));
}

void EmbeddingTable::Unmap::operator()(std::byte* slab) const { munmap(slab, bytes); }

absl::StatusOr<EmbeddingTable> EmbeddingTable::Create(const TableOptions& options,
                                                      const Shard& shard, uint64_t seed) {
  MILLRACE_RETURN_IF_ERROR(Check(options, shard));
  EmbeddingTable table(options, shard);
  const auto bytes = static_cast<size_t>(SlabBytes(options, shard));
  void* const slab =
      mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (slab == MAP_FAILED) {
    return absl::ResourceExhaustedError(absl::StrCat("embedding table ", options.name, ": ", bytes,
                                                     " bytes: ", std::strerror(errno)));
  }
  madvise(slab, bytes, MADV_HUGEPAGE);  // or not: slower then
  table.slab_ = {static_cast<std::byte*>(slab), Unmap{bytes}};
  const int64_t row_bytes = RowBytes(options.type, shard.columns);
  table.rows_ = {.data = table.slab_.get(),
                 .state = reinterpret_cast<float*>(table.slab_.get() + shard.rows * row_bytes),
                 .row_bytes = row_bytes,
                 .state_size = StateSize(options.optimizer, shard.columns),
                 .columns = shard.columns,
                 .type = options.type,
                 .first_row = static_cast<uint32_t>(shard.first_row),
                 .first_column = static_cast<uint32_t>(shard.first_column),
                 .table_columns = options.columns};
  table.Draw(seed);
  return table;
}

void EmbeddingTable::Draw(uint64_t seed) {
  Fnv1a stream;
  stream.Add(std::string_view(options_.name));
  const auto blocks_of_row = static_cast<uint64_t>((options_.columns + 3) / 4);
  const auto first = static_cast<uint64_t>(shard_.first_column / 4);
  const auto blocks = static_cast<uint64_t>((shard_.columns + 3) / 4);
  std::vector<float> numbers(4 * blocks);
  const auto range = static_cast<float>(options_.initial_range);
  for (int64_t row = 0; row < shard_.rows; ++row) {
    const auto before = static_cast<uint64_t>(shard_.first_row + row) * blocks_of_row + first;
    for (uint64_t block = 0; block < blocks; ++block) {
      const auto words = Philox(seed, stream.state(), before + block);
      for (size_t i = 0; i < 4; ++i) {
        numbers[4 * block + i] = range * (2 * ToUnitFloat(words[i]) - 1);
      }
    }
    BestKernels().pack(options_.type, numbers.data(), shard_.columns,
                       rows_.data + row * rows_.row_bytes);
  }
}

absl::Status EmbeddingTable::PlacesOf(std::span<const int64_t> ids,
                                      std::span<uint32_t> places) const {
  bool all_there = true;
  for (size_t i = 0; i < ids.size(); ++i) {
    all_there &= Has(shard_, ids[i]);
    places[i] = static_cast<uint32_t>(Place(shard_, ids[i]));
  }
  return all_there ? absl::OkStatus() : CheckIds(options_, shard_, ids);
}

std::vector<float> EmbeddingTable::Row(int64_t id) const {
  std::vector<float> row(static_cast<size_t>(shard_.columns));
  BestKernels().unpack(options_.type, rows_.data + (id - shard_.first_row) * rows_.row_bytes,
                       shard_.columns, row.data());
  return row;
}

std::span<const std::byte> EmbeddingTable::slab() const {
  return {slab_.get(), static_cast<size_t>(SlabBytes(options_, shard_))};
}

}  // namespace millrace::embedding
