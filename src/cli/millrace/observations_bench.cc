#include "cli/millrace/observations_bench.h"

#include <spdlog/fmt/fmt.h>
#include <spdlog/spdlog.h>

#include <chrono>
#include <cstring>
#include <numeric>

#include "env/random_action.h"
#include "env/rows_buffer.h"
#include "millrace/core/rng.h"
#include "millrace/core/status.h"
#include "streams/observation_codec.h"

namespace millrace {
namespace {

using Clock = std::chrono::steady_clock;

// What the first agent sees in a segment.
struct Segment {
  Layout layout;
  std::vector<std::byte> payload;
};

absl::StatusOr<Segment> Record(const ObservationsBenchOptions& options, const std::string& name,
                               const Registry& registry) {
  MILLRACE_ASSIGN_OR_RETURN(const auto group,
                            registry.MakeVectorEnvironment(name, Options(), options.rows));
  AgentPolicies policies(group->spec().agents.size());
  std::iota(policies.begin(), policies.end(), 0);
  RowsBuffer buffer(group->spec(), policies, group->size());
  ObservationSpec seen;
  std::vector<size_t> which;
  const auto& fields = buffer.agent(0).observation.fields;
  for (size_t i = 0; i < fields.size(); ++i) {
    if (fields[i].dtype != DType::kFloat32 && fields[i].dtype != DType::kFloat64) continue;
    seen.fields.push_back(fields[i]);
    which.push_back(i);
  }
  if (which.empty()) {
    return absl::InvalidArgumentError(name + ": its first agent sees no reals");
  }
  MILLRACE_ASSIGN_OR_RETURN(const Schema schema,
                            Schema::Create(ObservationFields(seen, Extent::kSteps)));
  Segment segment{Layout(schema, {.steps = options.steps, .rows = options.rows}), {}};
  segment.payload.resize(segment.layout.total_bytes());
  MILLRACE_RETURN_IF_ERROR(group->Reset(/*seed=*/1, /*first_slot=*/0, policies, buffer.rows()));
  Rng rng(1, 0);
  for (int step = 0; step < options.steps; ++step) {
    for (size_t i = 0; i < which.size(); ++i) {
      const TensorView& from = buffer.rows()[0].observation[which[i]];
      std::memcpy(segment.payload.data() + segment.layout.offset(static_cast<int>(i)) +
                      static_cast<size_t>(step) * from.bytes(),
                  from.data, from.bytes());
    }
    for (size_t p = 0; p < policies.size(); ++p) {
      const ActionSpec& action = buffer.agent(p).action;
      const auto part = [&](auto span, int64_t size, size_t row) {
        return span.subspan(row * static_cast<size_t>(size), static_cast<size_t>(size));
      };
      for (size_t row = 0; row < buffer.rows()[p].reward.size(); ++row) {
        const auto mask = buffer.mask(p);
        SampleRandomAction(action, mask.empty() ? mask : part(mask, action.num_choices(), row), rng,
                           part(buffer.discrete(p), action.num_discrete(), row),
                           part(buffer.continuous(p), action.continuous_size(), row));
      }
    }
    MILLRACE_RETURN_IF_ERROR(group->Step(buffer.rows()));
  }
  return segment;
}

template <typename Function>
double SecondsOf(Function function) {
  const auto begin = Clock::now();
  function();
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// Rows of one encoding.
absl::Status Measure(const ObservationsBenchOptions& options, const std::string& name,
                     const Segment& segment, const ObservationCodecOptions& encoding,
                     std::vector<BenchRow>& table) {
  const double gigabytes = 1e-9 * static_cast<double>(segment.payload.size());
  ObservationCodec codec(segment.layout, encoding);
  std::vector<std::byte> encoded, decoded(segment.payload.size());
  std::vector<double> encode, decode, copy;
  for (int round = -1; round < options.rounds; ++round) {
    absl::Status status;
    const double seconds[] = {
        SecondsOf([&] { codec.Encode(segment.payload.data(), encoded); }),
        SecondsOf([&] { status = codec.Decode(encoded, decoded.data()); }),
        SecondsOf([&] { std::memcpy(decoded.data(), segment.payload.data(), decoded.size()); })};
    MILLRACE_RETURN_IF_ERROR(status);
    if (round < 0) continue;  // to warm up
    encode.push_back(gigabytes / seconds[0]);
    decode.push_back(gigabytes / seconds[1]);
    copy.push_back(gigabytes / seconds[2]);
  }
  const double ratio =
      static_cast<double>(segment.payload.size()) / static_cast<double>(encoded.size());
  table.push_back({name + "/ratio", "times smaller", ratio, "as it is", 1, {ratio}});
  table.push_back({name + "/encode_gigabytes_per_second", "GB/s", Median(encode),
                   "memcpy in one thread", Median(copy), encode});
  table.push_back({name + "/decode_gigabytes_per_second", "GB/s", Median(decode),
                   "memcpy in one thread", Median(copy), decode});
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<BenchRow>> RunObservationsBench(const ObservationsBenchOptions& options,
                                                           const Registry& registry) {
  spdlog::set_level(spdlog::level::err);  // MuJoCo has something to say of every model
  std::vector<BenchRow> table;
  for (const std::string& environment : options.environments) {
    MILLRACE_ASSIGN_OR_RETURN(const Segment segment, Record(options, environment, registry));
    const std::string name = "observations/" + environment;
    MILLRACE_RETURN_IF_ERROR(Measure(options, name + "/bfloat16", segment,
                                     {.encoding = ObservationEncoding::kBfloat16}, table));
    for (const auto& [error, text] : {std::pair{1e-2, "1e-2"}, {1e-3, "1e-3"}, {1e-4, "1e-4"}}) {
      MILLRACE_RETURN_IF_ERROR(Measure(options, fmt::format("{}/bounded_{}", name, text), segment,
                                       {.encoding = ObservationEncoding::kBounded, .error = error},
                                       table));
    }
  }
  return table;
}

}  // namespace millrace
