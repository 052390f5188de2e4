// `millrace bench`: figures with their roof or rival beside them.
#include <memory>
#include <string>
#include <vector>

#include "cli/common/bench_row.h"
#include "cli/common/exit_code.h"
#include "cli/millrace/commands.h"
#include "cli/millrace/dataflow_bench.h"
#include "cli/millrace/observations_bench.h"
#include "cli/millrace/programs.h"
#include "cli/millrace/stream_ends.h"
#include "cli/millrace/streams_bench.h"
#include "millrace/core/status.h"
#include "millrace/registry/registry.h"

namespace millrace {
namespace {

constexpr char kJsonHelp[] = "write the result to this file; - for JSON alone on standard output";

absl::Status Run(const DataflowBenchOptions& options, const std::string& json) {
  MILLRACE_ASSIGN_OR_RETURN(const std::vector<BenchRow> rows, RunDataflowBench(options));
  return PrintBench(rows, json);
}

void AddDataflow(CLI::App* bench, int& exit_code) {
  auto* command = bench->add_subcommand(
      "dataflow", "Environment steps per wall and CPU second of whole runs, learning included.");
  auto options = std::make_shared<DataflowBenchOptions>();
  auto json = std::make_shared<std::string>();
  command->add_option("--config", options->config, "experiment (YAML)")->capture_default_str();
  command->add_option("--runs", options->runs, "runs of each arm, interleaved; the median counts")
      ->capture_default_str();
  command->add_option("--env-steps", options->env_steps, "length of one run")
      ->capture_default_str();
  command->add_option("--set", options->set, "override a value: a.b=c")->allow_extra_args(false);
  command->add_option("--json", *json, kJsonHelp);
  command->footer("Example: millrace bench dataflow --runs 3");
  command->callback([options, json, &exit_code] {
    const absl::Status status = Run(*options, *json);
    exit_code = status.ok() ? kExitOk : Fail(status);
  });
}

// A benchmark of millrace-torch, which has the rival; options are passed on.
struct TorchBenchOption {
  const char *name, *help;
  bool list = false;  // takes several values at once
  std::vector<std::string> values = {};
};
void AddTorchBench(CLI::App* bench, const char* name, const char* what, const char* example,
                   std::vector<TorchBenchOption> list, int& exit_code) {
  auto* command = bench->add_subcommand(name, what);
  auto options = std::make_shared<std::vector<TorchBenchOption>>(std::move(list));
  for (TorchBenchOption& option : *options) {
    command->add_option(option.name, option.values, option.help)->allow_extra_args(option.list);
  }
  command->footer(std::string("Example: millrace bench ") + name + " " + example);
  command->callback([options, name, &exit_code] {
    std::vector<std::string> arguments = {std::string("bench-") + name};
    for (const TorchBenchOption& option : *options) {
      for (const std::string& value : option.values) {
        arguments.insert(arguments.end(), {option.name, value});
      }
    }
    exit_code = Fail(ExecTorch(arguments));
  });
}

// Of models at several sizes.
void AddModelBench(CLI::App* bench, const char* name, const char* what, const char* example,
                   const TorchBenchOption& rows, int& exit_code) {
  AddTorchBench(bench, name, what, example,
                {{"--model",
                  "mlp64x64, mlp256x256, lstm256, gru256, nature_cnn, hide_and_seek, "
                  "hide_and_seek_unmasked; default: all"},
                 rows,
                 {"--device", "of LibTorch: cpu or cuda:N, then beside one core; default: cpu"},
                 {"--json", kJsonHelp}},
                exit_code);
}

void AddNmSparse(CLI::App* bench, int& exit_code) {
  AddTorchBench(
      bench, "nm_sparse",
      "N:M-sparse products and training steps beside dense ones in float32 and bfloat16.",
      "--width 512 --pattern 2:8 --rounds 5",
      {{"--width", "inputs and outputs of a layer; default: 512 1024 2048", /*list=*/true},
       {"--pattern", "default: 2:4 2:8 1:8, each shared by 1, 2 and 4 outputs", /*list=*/true},
       {"--batch", "rows; default: 1024"},
       {"--rounds", "of all arms, interleaved; the median counts; default: 20"},
       {"--threads", "of every arm; default: 1"},
       {"--device", "cpu or cuda:N; default: cpu"},
       {"--json", kJsonHelp}},
      exit_code);
}

void AddCollectives(CLI::App* bench, int& exit_code) {
  AddTorchBench(bench, "collectives",
                "What trainers of one host exchange: shared memory beside Gloo, microseconds.",
                "--bytes 4096 --bytes 1048576",
                {{"--bytes", "of one rank; default: 4096 65536 1048576 8388608", /*list=*/true},
                 {"--ranks", "default: 2"},
                 {"--rounds", "of both, interleaved; the median counts; default: 9"},
                 {"--json", kJsonHelp}},
                exit_code);
}

void AddEmbedding(CLI::App* bench, int& exit_code) {
  AddTorchBench(bench, "embedding",
                "Bags of embedding tables, and exact steps on them, beside LibTorch's and a walk "
                "over the same rows.",
                "--dim 64 --rows 100000 --rounds 5",
                {{"--dim", "columns of a table; default: 16 64 128", /*list=*/true},
                 {"--tables", "default: 8"},
                 {"--rows", "of each; default: 1000000, for which 128 columns take 16 GB"},
                 {"--batch", "samples; default: 2048"},
                 {"--bag", "ids of a feature of a sample; default: 20"},
                 {"--rounds", "of all arms, interleaved; the median counts; default: 16"},
                 {"--threads", "of every arm; default: 1"},
                 {"--ranks", "instead: steps of so many that share tables, beside one"},
                 {"--json", kJsonHelp}},
                exit_code);
}

void AddStreams(CLI::App* bench, int& exit_code) {
  auto* command = bench->add_subcommand(
      "streams", "Round trips, bytes per second and weights to many readers, between processes.");
  auto options = std::make_shared<StreamsBenchOptions>();
  auto json = std::make_shared<std::string>();
  command->add_option("--rounds", options->rounds, "of every measurement; the median counts")
      ->capture_default_str();
  command->add_option("--round-trips", options->round_trips, "of one measurement")
      ->capture_default_str();
  command->add_option("--weight-bytes", options->weight_bytes, "size of a version")
      ->capture_default_str();
  command->add_option("--readers", options->readers, "of weights")->capture_default_str();
  command->add_option("--json", *json, kJsonHelp);
  command->footer("Example: millrace bench streams --rounds 3");
  command->callback([options, json, &exit_code] {
    const auto rows = RunStreamsBench(*options);
    const absl::Status status = rows.ok() ? PrintBench(*rows, *json) : rows.status();
    exit_code = status.ok() ? kExitOk : Fail(status);
  });
}

void AddObservations(CLI::App* bench, int& exit_code) {
  auto* command = bench->add_subcommand(
      "observations", "Size and speed of encoded observations (streams.sample.observations).");
  auto options = std::make_shared<ObservationsBenchOptions>();
  auto json = std::make_shared<std::string>();
  command->add_option("--environment", options->environments, "stepped with random actions")
      ->capture_default_str();
  command->add_option("--steps", options->steps, "of a segment")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_option("--rows", options->rows, "environments of a segment")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_option("--rounds", options->rounds, "the median counts")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_option("--json", *json, kJsonHelp);
  command->footer("Example: millrace bench observations --environment pendulum --steps 64");
  command->callback([options, json, &exit_code] {
    const auto rows = RunObservationsBench(*options, BuiltinRegistry());
    const absl::Status status = rows.ok() ? PrintBench(*rows, *json) : rows.status();
    exit_code = status.ok() ? kExitOk : Fail(status);
  });
}

}  // namespace

void AddStreamEndCommand(CLI::App& app, int& exit_code) {
  auto* command = app.add_subcommand("stream-end", "One end of a stream, for `bench streams`.");
  command->group("");  // not shown in --help
  auto options = std::make_shared<StreamEndOptions>();
  command->add_option("kind", options->kind)->required();
  command->add_option("run_directory", options->run_directory)->required();
  command->add_option("role", options->role)->required();
  command->add_option("index", options->index)->required();
  command->add_option("--transport", options->transport);
  command->add_option("--bytes", options->bytes);
  command->add_option("--checksum", options->checksum);
  command->add_option("--spin-us", options->spin_us);
  command->add_option("--count", options->count);
  command->add_option("--peers", options->peers);
  command->add_option("--result", options->result);
  command->callback([options, &exit_code] {
    const absl::Status status = RunStreamEnd(*options);
    exit_code = status.ok() ? kExitOk : Fail(status);
  });
}

void AddBenchCommand(CLI::App& app, int& exit_code) {
  auto* bench =
      app.add_subcommand("bench", "Benchmarks; each prints its roof or rival from the same run.");
  bench->require_subcommand(1);
  AddDataflow(bench, exit_code);
  AddNmSparse(bench, exit_code);
  AddEmbedding(bench, exit_code);
  AddCollectives(bench, exit_code);
  AddModelBench(bench, "inference",
                "Samples per second of acting, against batch size: native beside LibTorch.",
                "--model mlp64x64 --batch 256",
                {"--batch", "rows of a batch; default: 1, 8, 64, 256 and 1024"}, exit_code);
  AddModelBench(
      bench, "training", "Samples per second of PPO's optimiser steps: native beside LibTorch.",
      "--model lstm256 --minibatch 1024",
      {"--minibatch", "agent steps of an optimiser step; default: 64, 256, 1024 and 4096"},
      exit_code);
  AddObservations(bench, exit_code);
  AddStreams(bench, exit_code);
}

}  // namespace millrace
