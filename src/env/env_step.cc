// The JSON-lines protocol of `millrace env step`.
#include <cmath>
#include <istream>
#include <ostream>
#include <string>

#include "absl/strings/str_cat.h"
#include "env/agent_slots.h"
#include "env/env_cli.h"
#include "env/guarded.h"
#include "env/space_json.h"
#include "millrace/core/status.h"

namespace millrace {
namespace {

using Json = nlohmann::json;

absl::StatusOr<std::vector<double>> Numbers(const Json& value, std::string_view what) {
  std::vector<double> numbers;
  const Json list = value.is_array() ? value : Json::array({value});
  for (const Json& item : list) {
    if (!item.is_number()) {
      return absl::InvalidArgumentError(
          absl::StrCat(std::string(what), ": expected numbers, got ", item.dump()));
    }
    numbers.push_back(item.get<double>());
  }
  return numbers;
}

absl::StatusOr<ExtraState> ParseExtra(const Json& value) {
  ExtraState extra;
  if (value.is_null()) return extra;
  if (!value.is_object()) {
    return absl::InvalidArgumentError(
        absl::StrCat("extra: expected an object, got ", value.dump()));
  }
  for (const auto& [name, item] : value.items()) {
    MILLRACE_ASSIGN_OR_RETURN(extra[name], Numbers(item, absl::StrCat("extra: ", name)));
  }
  return extra;
}

// The one conversation over an environment.
class StepSession {
 public:
  explicit StepSession(Environment& environment)
      : environment_(environment), spec_(environment.spec()), agents_(spec_) {}

  Json Answer(const std::string& line) {
    absl::StatusOr<Json> answer =
        Guarded("the environment", [&]() -> absl::StatusOr<Json> { return Dispatch(line); });
    if (answer.ok()) return *std::move(answer);
    return Json{{"error", std::string(answer.status().message())}};
  }

 private:
  absl::StatusOr<Json> Dispatch(const std::string& line) {
    const Json request = Json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!request.is_object() || request.size() != 1) {
      return absl::InvalidArgumentError(
          "expected one JSON object with one of the keys reset, action, spec");
    }
    const std::string& key = request.begin().key();
    const Json& value = request.begin().value();
    if (key == "reset") return Reset(value);
    if (key == "action") return Step(value);
    if (key == "spec") return SpecToJson(spec_);
    return absl::InvalidArgumentError(
        absl::StrCat("expected one of the keys reset, action, spec, got \"", key, "\""));
  }

  absl::StatusOr<Json> Reset(const Json& how) {
    if (!how.is_object()) {
      return absl::InvalidArgumentError(
          absl::StrCat("reset: expected an object, got ", how.dump()));
    }
    for (const auto& [key, value] : how.items()) {
      if (key != "seed" && key != "state" && key != "extra") {
        return absl::InvalidArgumentError(
            absl::StrCat("reset: expected seed, state or extra, got \"", key, "\""));
      }
    }
    const bool to_state = how.contains("state");
    if (how.contains("extra") && !to_state) {
      return absl::InvalidArgumentError("reset: extra: expected a state with it");
    }
    MILLRACE_RETURN_IF_ERROR(to_state ? ResetToState(how) : ResetToSeed(how));
    running_ = true;
    Json answer = {{"observation", Observations()}};
    AddState(answer);
    return answer;
  }

  // A reset that can be read ends the episode; one that cannot leaves it as it is.
  void EndEpisode() {
    running_ = false;
    agents_.PrepareReset();
  }

  // With a seed too, that draws what the state and `extra` do not say.
  absl::Status ResetToState(const Json& how) {
    MILLRACE_ASSIGN_OR_RETURN(const auto state, Numbers(how["state"], "state"));
    MILLRACE_ASSIGN_OR_RETURN(const auto extra, ParseExtra(how.value("extra", Json())));
    if (how.contains("seed")) MILLRACE_RETURN_IF_ERROR(ResetToSeed(how));
    EndEpisode();
    return environment_.ResetTo(state, extra, agents_.slots());
  }

  absl::Status ResetToSeed(const Json& how) {
    const Json seed = how.value("seed", Json(next_seed_));
    if (!seed.is_number_unsigned()) {
      return absl::InvalidArgumentError(
          absl::StrCat("reset: seed: expected a whole number of at least 0, got ", seed.dump()));
    }
    next_seed_ = seed.get<uint64_t>() + 1;
    EndEpisode();
    return environment_.Reset(seed.get<uint64_t>(), agents_.slots());
  }

  absl::StatusOr<Json> Step(const Json& action) {
    if (!running_) {
      return absl::InvalidArgumentError("action: no episode is running: send a reset first");
    }
    MILLRACE_RETURN_IF_ERROR(ReadActions(action));
    running_ = false;
    agents_.PrepareStep();
    MILLRACE_RETURN_IF_ERROR(environment_.Step(agents_.slots()));
    Json observations = Observations();
    agents_.FinishStep();
    running_ = !agents_.ended();
    const auto of_agents = [this](auto&& member) {
      return PerAgent([&](size_t a) { return Json(agents_.slots()[a].*member); });
    };
    Json answer = {{"observation", std::move(observations)},
                   {"reward", of_agents(&AgentSlot::reward)},
                   {"terminated", of_agents(&AgentSlot::terminated)},
                   {"truncated", of_agents(&AgentSlot::truncated)}};
    AddState(answer);
    return answer;
  }

  absl::Status ReadActions(const Json& action) {
    if (!several()) return ReadAction(0, action);
    if (!action.is_array() || action.size() != spec_.agents.size()) {
      return absl::InvalidArgumentError(absl::StrCat("action: expected a list of ",
                                                     spec_.agents.size(), " (one an agent), got ",
                                                     action.dump()));
    }
    for (size_t a = 0; a < spec_.agents.size(); ++a) {
      if (!agents_.slots()[a].present) continue;
      MILLRACE_RETURN_IF_ERROR(
          WithContext(ReadAction(a, action[a]), absl::StrCat("agent ", spec_.agents[a].name)));
    }
    return absl::OkStatus();
  }

  absl::Status ReadAction(size_t agent, const Json& action) {
    return ActionFromJson(spec_.agents[agent].action, action, agents_.discrete(agent),
                          agents_.continuous(agent));
  }

  // One agent's value, or a list over agents.
  template <typename Value>
  Json PerAgent(Value&& value) {
    if (!several()) return value(0);
    Json list = Json::array();
    for (size_t a = 0; a < spec_.agents.size(); ++a) list.push_back(value(a));
    return list;
  }

  // Of everyone who acted or is there now.
  Json Observations() {
    return PerAgent([this](size_t a) {
      const AgentSlot& slot = agents_.slots()[a];
      if (!slot.present && !agents_.acted(a)) return Json();
      return ObservationToJson(spec_.agents[a].observation, slot.observation);
    });
  }

  void AddState(Json& answer) {
    if (several()) {
      answer["present"] = PerAgent([this](size_t a) { return Json(agents_.slots()[a].present); });
    }
    const absl::StatusOr<std::vector<double>> state = environment_.PhysicalState();
    answer["state"] = state.ok() ? Json(*state) : Json();
    Json extra = Json::object();
    for (const auto& [name, values] : environment_.Extra()) {
      extra[name] = values.size() == 1 ? Json(values.front()) : Json(values);
    }
    if (!extra.empty()) answer["extra"] = std::move(extra);
  }

  bool several() const { return spec_.agents.size() > 1; }

  Environment& environment_;
  const EnvironmentSpec& spec_;
  AgentSlots agents_;
  bool running_ = false;
  uint64_t next_seed_ = 0;
};

}  // namespace

void RunEnvStep(Environment& environment, std::istream& in, std::ostream& out) {
  StepSession session(environment);
  std::string line;
  while (std::getline(in, line)) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    out << session.Answer(line).dump(-1, ' ', false, Json::error_handler_t::replace) << std::endl;
  }
}

}  // namespace millrace
