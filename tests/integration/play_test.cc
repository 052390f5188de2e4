// Episodes to look at: as text, as maps and as films.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "integration/millrace_process.h"
#include "text.h"

namespace millrace {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

// A run of a few batches; returns its directory.
std::string ShortRun(const fs::path& runs, const std::string& file, int env_steps) {
  const CommandOutput output =
      RunMillrace({"run", file, "--name", "short", "--runs-dir", runs.string(), "--progress",
                   "none", "--set", "stop={env_steps: " + std::to_string(env_steps) + "}"});
  EXPECT_EQ(output.exit_code, 0) << output.out << output.err;
  return (runs / "short").string();
}

// 40 actions, each for two steps, of two hiders and two seekers.
TEST(Play, ShowsHideAndSeekAsMapsAndAsAFilm) {
  const TemporaryDirectory runs;
  const std::string run =
      ShortRun(runs.path(), MILLRACE_SOURCE_DIR "/configs/hide_and_seek_laptop.yaml", 2560);
  const CommandOutput text = RunMillrace({"play", run});
  ASSERT_EQ(text.exit_code, 0) << text.err;
  EXPECT_THAT(text.out, HasSubstr("##############################\n"));
  EXPECT_THAT(text.out, HasSubstr("step 0\npreparation, 32 steps left: "));
  EXPECT_THAT(text.out, HasSubstr("step 40  hider_0 "));
  EXPECT_EQ(Count(text.out, "\nstep "), 41u) << "one episode";
  const fs::path film = runs.path() / "episode.svg";
  const CommandOutput video =
      RunMillrace({"play", run, "--video", film.string(), "--fps", "20", "--size", "320"});
  ASSERT_EQ(video.exit_code, 0) << video.err;
  const std::string svg = ReadText(film);
  EXPECT_EQ(Count(svg, "class=\"frame\""), 41u);
  EXPECT_THAT(svg, HasSubstr("width=\"320\""));
  EXPECT_THAT(svg, HasSubstr("animation:turn 2.05s"));
  EXPECT_THAT(svg, HasSubstr("step 40  hider_0 "));
}

// By MuJoCo's renderer, without a screen.
TEST(Play, FilmsHideAndSeekInSpace) {
  const TemporaryDirectory runs;
  const std::string run =
      ShortRun(runs.path(), MILLRACE_SOURCE_DIR "/configs/hide_and_seek_laptop.yaml", 2560);
  const fs::path film = runs.path() / "episode.mp4";
  const CommandOutput video =
      RunMillrace({"play", run, "--video", film.string(), "--view", "3d", "--size", "320"});
  ASSERT_EQ(video.exit_code, 0) << video.err;
  EXPECT_THAT(ReadText(film).substr(0, 12), HasSubstr("ftyp"));
  const fs::path svg = runs.path() / "episode.svg";
  const CommandOutput shapes = RunMillrace({"play", run, "--video", svg.string(), "--view", "3d"});
  EXPECT_EQ(shapes.exit_code, 2);
  EXPECT_THAT(shapes.err, HasSubstr("expected a file name that ends in .gif or .mp4"));
}

TEST(Play, ShowsCartPoleAsLinesAndAsAFilm) {
  const TemporaryDirectory runs;
  const std::string run =
      ShortRun(runs.path(), MILLRACE_SOURCE_DIR "/configs/cartpole_ppo.yaml", 4096);
  const CommandOutput text = RunMillrace({"play", run});
  ASSERT_EQ(text.exit_code, 0) << text.err;
  EXPECT_THAT(text.out, HasSubstr("  angle "));
  for (const auto& [name, magic] : {std::pair{"episode.gif", "GIF89a"}, {"episode.mp4", "ftyp"}}) {
    const fs::path film = runs.path() / name;
    const CommandOutput video = RunMillrace({"play", run, "--video", film.string()});
    ASSERT_EQ(video.exit_code, 0) << video.err;
    EXPECT_THAT(video.out, HasSubstr("wrote " + film.string()));
    EXPECT_THAT(ReadText(film).substr(0, 12), HasSubstr(magic));
  }
  const CommandOutput space =
      RunMillrace({"play", run, "--video", (runs.path() / "x.gif").string(), "--view", "3d"});
  EXPECT_EQ(space.exit_code, 2);
  EXPECT_THAT(space.err, HasSubstr("--view 3d: expected an environment that has a renderer"));
  const CommandOutput other = RunMillrace({"play", run, "--video", "episode.avi"});
  EXPECT_EQ(other.exit_code, 2);
  EXPECT_THAT(other.err,
              HasSubstr("--video: expected a file name that ends in .svg, .gif or .mp4"));
}

// The model is a user's own, so that millrace-torch plays.
TEST(Play, SaysThatAnEnvironmentDoesNotDrawItself) {
  const TemporaryDirectory runs;
  const std::string run = ShortRun(runs.path(), MILLRACE_DELAYED_PLUGINS "/delayed.yaml", 1024);
  EXPECT_EQ(RunMillrace({"play", run}).exit_code, 0);
  const fs::path film = runs.path() / "episode.svg";
  const CommandOutput video = RunMillrace({"play", run, "--video", film.string()});
  EXPECT_EQ(video.exit_code, 2);
  EXPECT_THAT(video.err, HasSubstr("expected an environment that draws itself"));
  EXPECT_FALSE(fs::exists(film));
}

}  // namespace
}  // namespace millrace
