#include "report/picture/film.h"

#include <gmock/gmock.h>
#include <stdlib.h>

#include <cmath>
#include <limits>

#include "ledger_folder.h"
#include "report/picture/character_map.h"
#include "report/picture/frame.h"
#include "report/picture/raster.h"
#include "report/picture/svg_film.h"
#include "text.h"

namespace millrace {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using FilmTest = LedgerFolder;

// A ball in front of a wall, four units wide and two high.
Drawing Sample(double x) {
  Drawing drawing{.low = {0, 0}, .high = {4, 2}, .caption = "ball & wall\nsecond line"};
  drawing.map_rows = 2;
  drawing.shapes = {
      shapes::Polygon{RectangleCorners({3, 0}, {4, 2}), {.fill = {0, 0, 1}}, "##"},
      shapes::Line{{0, 0}, {1, 1}, {0, 0, 0}, 0.1},
      shapes::Line{{1, 1}, {2, 0}, {0, 0, 0}, 0.1},
      shapes::Circle{{x, 0.5}, 0.4, {.fill = {1, 0, 0}}, "()"},
      shapes::Label{{x, 0.5}, "<1>", 0.3, {1, 1, 1}},
  };
  return drawing;
}

TEST(Frame, HoldsTheWholeDrawingAndItsCaption) {
  const Drawing drawing = Sample(1);
  const FrameSize frame = ChooseFrameSize(drawing, 480);
  EXPECT_EQ(frame.width, 480);
  EXPECT_EQ(frame.world_height, 240);
  EXPECT_EQ(frame.text_size, 11);     // 480 / 48 would be too small to read
  EXPECT_EQ(frame.height, 240 + 36);  // (2 x 1.4 + 0.5) x 11 = 36.3
  const View view(drawing, frame);
  EXPECT_EQ(view({0, 0}), (shapes::Point{0, 240}));
  EXPECT_EQ(view({4, 2}), (shapes::Point{480, 0}));
  EXPECT_EQ(view.Length(0.5), 60);
  Drawing tall = drawing;
  tall.high.y = 4;  // half as large, in the middle
  EXPECT_EQ(View(tall, frame)({0, 0}), (shapes::Point{120, 240}));
}

TEST(CharacterMap, ShowsMarksFromTheTop) {
  EXPECT_EQ(CharacterMap(Sample(1.5)).value(),
            "      ##\n"
            "  ()  ##\n");
  EXPECT_EQ(CharacterMap(Sample(3.5)).value(), "      ##\n      ()\n") << "later ones cover";
  EXPECT_EQ(CharacterMap(Sample(-1)).value(), "      ##\n      ##\n") << "outside";
  Drawing without = Sample(1);
  without.map_rows = 0;
  EXPECT_EQ(CharacterMap(without).value(), "");
}

TEST(CharacterMap, LosesNoThinWall) {
  Drawing drawing{.low = {0, 0}, .high = {3, 3}};
  drawing.map_rows = 3;
  drawing.shapes = {shapes::Polygon{RectangleCorners({0, 1.3}, {3, 1.65}), {}, "--"}};
  EXPECT_EQ(CharacterMap(drawing).value(), "\n------\n\n");
}

// Of the picture at a point of the world: 0xRRGGBB.
uint32_t PixelAt(const Raster& raster, const FrameSize& frame, const shapes::Point& pixel) {
  const size_t at = 4 * (static_cast<size_t>(pixel.y) * static_cast<size_t>(frame.width) +
                         static_cast<size_t>(pixel.x));
  const auto byte = [&](size_t i) { return static_cast<uint32_t>(raster.pixels()[at + i]); };
  return byte(2) << 16 | byte(1) << 8 | byte(0);
}

TEST(Raster, PaintsShapesWhereTheyAre) {
  Drawing drawing = Sample(1);
  drawing.shapes.pop_back();  // the label hides the ball's middle
  const FrameSize frame = ChooseFrameSize(drawing, 400);
  Raster raster(frame);
  EXPECT_EQ(raster.pixels().size(), 4u * 400 * static_cast<size_t>(frame.height));
  for (const double x : {1.0, 2.0}) {  // the second picture shows nothing of the first
    std::get<shapes::Circle>(drawing.shapes[3]).centre.x = x;
    raster.Draw(drawing);
    const View view(drawing, frame);
    EXPECT_EQ(PixelAt(raster, frame, view({3.5, 1})), 0x0000ffu);
    EXPECT_EQ(PixelAt(raster, frame, view({x, 0.5})), 0xff0000u);
    EXPECT_EQ(PixelAt(raster, frame, view({3 - x, 0.3})), 0xffffffu);
  }
}

TEST(Raster, TextLeavesNoTraceInTheNextShape) {
  Drawing drawing{.low = {0, 0}, .high = {4, 2}};
  drawing.shapes = {shapes::Label{{0.5, 1}, "a", 0.3, {0, 0, 0}},
                    shapes::Circle{{3.5, 1}, 0.2, {.stroke = {0, 0, 0}, .stroke_width = 0.1}}};
  const FrameSize frame = ChooseFrameSize(drawing, 400);
  Raster raster(frame);
  raster.Draw(drawing);
  for (double y = 0.5; y < 1.5; y += 0.02) {
    EXPECT_EQ(PixelAt(raster, frame, View(drawing, frame)({2, y})), 0xffffffu) << y;
  }
}

TEST_F(FilmTest, SvgHasEveryFrameAndWhatIsCommonOnce) {
  const auto file = folder_ / "film.svg";
  auto film = OpenFilm(file, {.frames_per_second = 4}).value();
  for (const double x : {0.5, 1.0, 1.5}) ASSERT_TRUE(film->Add(Sample(x)).ok());
  ASSERT_TRUE(film->Finish().ok());
  const std::string svg = ReadText(file);
  EXPECT_EQ(Count(svg, "class=\"frame\""), 3u);
  EXPECT_EQ(Count(svg, "<circle"), 3u);
  EXPECT_EQ(Count(svg, "<polygon"), 1u) << "the wall is the same in all frames";
  EXPECT_EQ(Count(svg, "<path"), 1u) << "and so are the lines, which look alike";
  EXPECT_EQ(Count(svg, "<g"), Count(svg, "</g>"));
  EXPECT_EQ(Count(svg, "<text"), 3u * 3);
  EXPECT_THAT(svg, HasSubstr("ball &amp; wall"));
  EXPECT_THAT(svg, HasSubstr(">&lt;1&gt;</text>"));
  EXPECT_THAT(svg, HasSubstr("animation:turn 0.75s"));
  EXPECT_THAT(svg, HasSubstr("animation-delay:0.5s"));
  EXPECT_THAT(svg, HasSubstr("</svg>"));
}

TEST_F(FilmTest, SvgRepeatsWhatIsSeenFromAnotherPlace) {
  Drawing near = Sample(1);
  near.high = {2, 1};
  const std::string svg = RenderSvgFilm({Sample(1), near}, {});
  EXPECT_EQ(Count(svg, "<polygon"), 2u);
  EXPECT_THAT(RenderSvgFilm({near}, {}), Not(HasSubstr("@keyframes")));
}

TEST_F(FilmTest, GifAndMp4AreMadeByFfmpeg) {
  for (const auto& [name, magic] : {std::pair{"film.gif", "GIF89a"}, {"film.mp4", "ftyp"}}) {
    const auto file = folder_ / name;
    auto film = OpenFilm(file, {.size = 64}).value();
    for (const double x : {0.5, 1.0, 1.5}) ASSERT_TRUE(film->Add(Sample(x)).ok());
    EXPECT_FALSE(std::filesystem::exists(file));
    const absl::Status status = film->Finish();
    ASSERT_TRUE(status.ok()) << status;
    EXPECT_THAT(ReadText(file).substr(0, 12), HasSubstr(magic));
  }
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 2);
}

TEST_F(FilmTest, AnUnfinishedFilmLeavesNoFile) {
  {
    auto film = OpenFilm(folder_ / "film.mp4", {.size = 64}).value();
    ASSERT_TRUE(film->Add(Sample(1)).ok());
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder_));
}

TEST_F(FilmTest, SaysWhatFfmpegSaid) {
  auto film = OpenFilm(folder_ / "missing" / "film.gif", {.size = 64}).value();
  absl::Status status = film->Add(Sample(1));
  if (status.ok()) status = film->Finish();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(status.message()), HasSubstr("No such file or directory"));
}

TEST_F(FilmTest, NamesThePackageIfFfmpegIsMissing) {
  const std::string path = ::getenv("PATH");
  ::setenv("PATH", folder_.c_str(), 1);
  const absl::Status status = OpenFilm(folder_ / "film.gif", {}).value()->Add(Sample(1));
  ::setenv("PATH", path.c_str(), 1);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(status.message()), HasSubstr("apt-get install ffmpeg"));
}

TEST(Raster, CopiesPixelsAboveTheCaption) {
  const Image image{2, 2, {255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 8, 7}};
  const FrameSize frame = ChooseFrameSize(2, 2, "caption", 2);
  EXPECT_EQ(frame.world_height, 2);
  EXPECT_GT(frame.height, 2);
  Raster raster(frame);
  raster.Draw(image, "caption");
  EXPECT_EQ(PixelAt(raster, frame, {0, 0}), 0xff0000u);
  EXPECT_EQ(PixelAt(raster, frame, {1, 0}), 0x00ff00u);
  EXPECT_EQ(PixelAt(raster, frame, {0, 1}), 0x0000ffu);
  EXPECT_EQ(PixelAt(raster, frame, {1, 1}), 0x090807u);
}

TEST(Film, RefusesWhatItCannotShow) {
  const auto other = OpenFilm("film.avi", {});
  EXPECT_EQ(std::string(other.status().message()),
            "expected a file name that ends in .svg, .gif or .mp4, got \"film.avi\"");
  EXPECT_TRUE(absl::IsInvalidArgument(OpenFilm("film.svg", {.size = 0}).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(OpenFilm("film.svg", {.frames_per_second = 0}).status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(OpenFilm("film.svg", {}).value()->Finish()));
  EXPECT_TRUE(absl::IsFailedPrecondition(OpenFilm("film.mp4", {}).value()->Finish()));
  for (const double x : {std::nan(""), std::numeric_limits<double>::infinity()}) {
    EXPECT_TRUE(absl::IsInvalidArgument(OpenFilm("film.svg", {}).value()->Add(Sample(x))));
    EXPECT_TRUE(absl::IsInvalidArgument(OpenFilm("film.gif", {}).value()->Add(Sample(x))));
    EXPECT_TRUE(absl::IsInvalidArgument(CharacterMap(Sample(x)).status()));
  }
  const Image image{1, 1, {0, 0, 0}};
  EXPECT_TRUE(absl::IsInvalidArgument(OpenFilm("film.svg", {}).value()->Add(image, "")));
  Drawing flat = Sample(1);
  flat.high.y = 0;
  EXPECT_TRUE(absl::IsInvalidArgument(CheckDrawing(flat)));
}

}  // namespace
}  // namespace millrace
