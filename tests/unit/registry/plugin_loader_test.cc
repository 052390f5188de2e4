#include "registry/plugin_loader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace millrace {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

std::string Plugin(const std::string& name) {
  return std::string(MILLRACE_PLUGIN_DIR) + "/" + name + ".so";
}

// The message without the plug-in's path. The library's static initialiser would abort the test.
std::string ErrorOf(const std::string& path) {
  Registry registry;
  const absl::Status status = LoadPlugin(path, registry, "run.yaml:12");
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  const std::string prefix = "run.yaml:12: plug-in " + path + ": ";
  EXPECT_THAT(std::string(status.message()), StartsWith(prefix));
  return std::string(status.message()).substr(prefix.size());
}

TEST(PluginLoader, LoadsEnvironmentsAndSampleFields) {
  Registry registry;
  const absl::Status status = LoadPlugin(Plugin("good_plugin"), registry);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_TRUE(registry.MakeEnvironment("from_plugin", {}).ok());
  ASSERT_NE(registry.FindSampleField("twice_the_reward"), nullptr);
  EXPECT_EQ(registry.FindSampleField("twice_the_reward")->field.extent, Extent::kSteps);
}

TEST(PluginLoader, OnePluginTwiceRegistersItsNamesTwice) {
  Registry registry;
  ASSERT_TRUE(LoadPlugin(Plugin("good_plugin"), registry).ok());
  EXPECT_THAT(std::string(LoadPlugin(Plugin("good_plugin"), registry).message()),
              HasSubstr("environment \"from_plugin\" is registered twice"));
}

TEST(PluginLoader, FilesThatAreNoPluginsAreNamed) {
  EXPECT_EQ(ErrorOf("no/such/file.so"), "expected a readable file, found none");
  const std::string text = testing::TempDir() + "/text_plugin.so";
  std::ofstream(text) << "this is no shared library, but it is long enough to hold an ELF header";
  EXPECT_EQ(ErrorOf(text), "expected a 64-bit ELF shared library, got something else");
  EXPECT_EQ(ErrorOf(testing::TempDir()),
            "expected a 64-bit ELF shared library, got something else");
}

TEST(PluginLoader, CheckedBeforeAnyCodeOfThePluginRuns) {
  EXPECT_THAT(ErrorOf(Plugin("other_version")),
              StartsWith("expected a build for Millrace " MILLRACE_VERSION
                         " (this program), got one for 9.9.9"));
  EXPECT_THAT(ErrorOf(Plugin("other_compiler")),
              HasSubstr(MILLRACE_COMPILER_ID_ " (this program), got one for libc++-99"));
  EXPECT_THAT(ErrorOf(Plugin("no_record")), HasSubstr("found none: no plug-in"));
  EXPECT_THAT(ErrorOf(Plugin("no_function")),
              HasSubstr("expected an exported function MillraceRegister"));
}

TEST(PluginLoader, LibrariesThatDoNotLinkSayWhy) {
  EXPECT_THAT(ErrorOf(Plugin("undefined_symbol")),
              testing::AllOf(HasSubstr("it cannot be loaded"), HasSubstr("FunctionThatNobodyHas")));
}

// Its static initialiser would abort.
TEST(PluginLoader, LibTorchPluginsAreLeftAloneWithoutLibTorch) {
  Registry registry;
  EXPECT_TRUE(LoadPlugin(Plugin("only_torch"), registry).ok());
}

TEST(PluginLoader, ExceptionsOfTheRegistrationAreInternalErrors) {
  Registry registry;
  const absl::Status status = LoadPlugin(Plugin("throws"), registry);
  EXPECT_TRUE(absl::IsInternal(status));
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("its registration threw an exception: no licence"));
}

// Wherever a file is cut, the reader says no.
TEST(PluginLoader, DamagedLibrariesAreRefused) {
  std::ifstream file(Plugin("no_function"), std::ios::binary);
  const std::string whole((std::istreambuf_iterator<char>(file)), {});
  const std::string path = testing::TempDir() + "/damaged_plugin.so";
  for (size_t size :
       {size_t{0}, size_t{10}, size_t{64}, size_t{500}, whole.size() / 2, whole.size() - 1}) {
    std::ofstream(path, std::ios::binary) << whole.substr(0, size);
    Registry registry;
    EXPECT_TRUE(absl::IsInvalidArgument(LoadPlugin(path, registry))) << size << " bytes";
  }
}

}  // namespace
}  // namespace millrace
