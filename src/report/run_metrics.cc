#include "report/run_metrics.h"

#include <algorithm>
#include <utility>

namespace millrace {
namespace {

// Counts never go back, whatever was read.
void Raise(uint64_t& count, uint64_t value) { count = std::max(count, value); }

uint64_t SourceOf(const LedgerIdentity& identity) {
  return (uint64_t{identity.index} << 32) | identity.incarnation;
}

// Environment steps of one actor: those of its fullest stream.
uint64_t EnvStepsOf(const LedgerSnapshot& ledger) {
  std::map<std::string, uint64_t> by_stream;
  uint64_t most = 0;
  for (const ProducerLane& lane : ledger.lanes) {
    uint64_t& steps = by_stream[lane.stream];
    steps += lane.committed * lane.env_steps_each;
    most = std::max(most, steps);
  }
  return most;
}

}  // namespace

RunMetricsReader::Settings RunMetricsReader::SettingsOf(const ExperimentConfig& config,
                                                        const RunPaths& paths) {
  Settings settings;
  settings.ledger_directory = paths.ledger();
  for (const PolicyConfig& policy : config.policies) settings.policies.push_back(policy.name);
  settings.goal = config.stop.episode_return;
  settings.report = config.report;
  settings.metrics = paths.metrics();
  return settings;
}

RunMetricsReader::RunMetricsReader(Settings settings)
    : settings_(std::move(settings)),
      ledgers_(settings_.ledger_directory),
      statistics_(settings_.goal),
      stages_(settings_.report) {
  stages_.AddFile(settings_.metrics);
  for (const std::string& policy : settings_.policies) metrics_.policies[policy];
}

const RunMetrics& RunMetricsReader::Read(double time, double elapsed_seconds) {
  // A ledger that could not be copied this time keeps its older numbers.
  ledgers_.Refresh().IgnoreError();
  metrics_.time = time;
  metrics_.elapsed_seconds = elapsed_seconds;
  metrics_.profile = ProfileOf(ledgers_.entries());
  CountProduced();
  CountTrained();
  AddEpisodes();
  Moment now{.elapsed_seconds = elapsed_seconds,
             .env_steps = metrics_.env_steps,
             .profile = metrics_.profile};
  for (const LedgerSet::Entry* entry : ledgers_.entries()) {
    now.lag_sum += entry->snapshot.counter(Counter::kLagSum);
    now.lag_count += entry->snapshot.counter(Counter::kLagCount);
    for (const EpisodeStatistic& statistic : entry->snapshot.statistics) {
      EpisodeStatistic& total = now.statistics[statistic.name];
      total.sum += statistic.sum;
      total.count += statistic.count;
    }
  }
  CloseWindow(std::move(now));
  stages_.Add({.env_steps = metrics_.env_steps,
               .episodes = metrics_.episodes,
               .elapsed_seconds = elapsed_seconds,
               .environment = metrics_.environment});
  metrics_.stages = stages_.reached();
  return metrics_;
}

void RunMetricsReader::CountProduced() {
  uint64_t env_steps = 0, agent_steps = 0, episodes = 0;
  for (const LedgerSet::Entry* entry : ledgers_.entries()) {
    const LedgerSnapshot& ledger = entry->snapshot;
    if (!ProducesSamples(ledger.identity.role)) continue;
    env_steps += EnvStepsOf(ledger);
    for (const ProducerLane& lane : ledger.lanes) {
      agent_steps += lane.committed * lane.agent_steps_each;
    }
    episodes += ledger.counter(Counter::kEpisodes);
  }
  Raise(metrics_.env_steps, env_steps);
  Raise(metrics_.agent_steps, agent_steps);
  Raise(metrics_.episodes, episodes);
}

void RunMetricsReader::CountTrained() {
  uint64_t uses = 0, segments = 0;
  for (const LedgerSet::Entry* entry : ledgers_.entries()) {
    const LedgerSnapshot& ledger = entry->snapshot;
    Raise(metrics_.policy_lag_max, ledger.counter(Counter::kLagMax));
    uses += ledger.counter(Counter::kSampleUses);
    segments += ledger.counter(Counter::kLagCount);
    if (!ledger.consumer) continue;
    // Every rank of a policy counts the same batches; older incarnations have counted fewer.
    PolicyMetrics& policy = metrics_.policies[ledger.identity.policy];
    Raise(policy.train_steps, ledger.consumer->train_steps);
    Raise(policy.policy_version, ledger.consumer->policy_version);
  }
  if (segments > 0) {
    metrics_.sample_reuse = static_cast<double>(uses) / static_cast<double>(segments);
  }
  uint64_t train_steps = 0;
  for (const auto& [name, policy] : metrics_.policies) {
    train_steps += policy.train_steps;
    Raise(metrics_.policy_version, policy.policy_version);
  }
  Raise(metrics_.train_steps, train_steps);
}

void RunMetricsReader::AddEpisodes() {
  std::vector<FinishedEpisode> finished;
  for (const LedgerSet::Entry* entry : ledgers_.entries()) {
    for (const EpisodeRecord& episode : entry->new_episodes) {
      finished.push_back({SourceOf(entry->snapshot.identity), episode});
    }
  }
  statistics_.Add(std::move(finished));
  metrics_.episode_means = statistics_.means();
  metrics_.goal_reached = statistics_.goal_reached();
  for (size_t i = 0; i < settings_.policies.size(); ++i) {
    metrics_.policies[settings_.policies[i]].episodes = statistics_.means(static_cast<uint32_t>(i));
  }
}

void RunMetricsReader::CloseWindow(Moment now) {
  window_.push_back(std::move(now));
  const Moment& newest = window_.back();
  // The last moment before the window's beginning stays, so that the window is covered.
  while (window_.size() > 2 &&
         window_[1].elapsed_seconds <= newest.elapsed_seconds - settings_.window_seconds) {
    window_.pop_front();
  }
  const Moment& oldest = window_.front();
  const double seconds = newest.elapsed_seconds - oldest.elapsed_seconds;
  if (seconds <= 0) return;
  metrics_.steps_per_second = static_cast<double>(newest.env_steps - oldest.env_steps) / seconds;
  metrics_.recent = Difference(newest.profile, oldest.profile);
  for (const auto& [name, total] : newest.statistics) {
    const auto found = oldest.statistics.find(name);
    const EpisodeStatistic before =
        found == oldest.statistics.end() ? EpisodeStatistic() : found->second;
    if (total.count == before.count) continue;
    metrics_.environment["environment/" + name] =
        (total.sum - before.sum) / static_cast<double>(total.count - before.count);
  }
  if (newest.lag_count > oldest.lag_count) {
    metrics_.policy_lag_mean = static_cast<double>(newest.lag_sum - oldest.lag_sum) /
                               static_cast<double>(newest.lag_count - oldest.lag_count);
  }
}

}  // namespace millrace
