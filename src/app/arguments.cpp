// Reads the words after the name of a command.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <iostream>

#include "app/command.h"
#include "support/config.h"
#include "support/error.h"
#include "support/platform.h"

namespace ramoe {
namespace {

namespace fs = std::filesystem;

bool asks_for_help(const Arguments& arguments) {
  for (const std::string& argument : arguments) {
    const std::string text = plain_dashes(argument);
    for (const char* form : {"--help", "-help", "-h", "--h", "-?", "/?"})
      if (text == form) return true;
  }
  return !arguments.empty() && arguments[0] == "help" && !fs::exists("help");
}

void print_help(const FieldList& fields, const std::string& command, const PlainWords& words) {
  std::string usage = "[config.json] [--key=value ...]";
  if (!words.key.empty())
    usage = words.configs ? "[FOLDER or config.json] [--key=value ...]" : "PATH [--key=value ...]";
  std::cout << "ramoe " << command << " " << (words.usage ? words.usage : usage) << "\n";
  for (const Command& one : commands())
    if (one.name == command) std::cout << one.summary << "\n";
  std::cout << "\n" << fields.help();
}

/// Error if an object has a key twice, because JSON readers keep only one of them.
void check_keys_once(const std::string& path) {
  std::vector<std::string> seen;
  const auto on_event = [&](int depth, Json::parse_event_t event, Json& parsed) {
    if (event != Json::parse_event_t::key || depth != 1) return true;
    const std::string key = parsed.get<std::string>();
    check(!contains(seen, key), path, ": the key \"", key, "\" is there twice; keep one of them.");
    seen.push_back(key);
    return true;
  };
  parse_json(read_file(path), path, 0, on_event);
}

/// Reads a config file, or the configuration in a run.json of the same command.
void read_config(FieldList& fields, const std::string& path, const std::string& command) {
  check(!fs::is_directory(path), path, " is a folder; `ramoe ", command,
        "` takes a config.json here, and folders by their keys: --help lists them.");
  Json config = read_json(path);
  check_keys_once(path);
  if (config.is_object() && config.contains("config") && config.contains("command")) {
    check(config["command"] == command, path, " is of a run of `ramoe ", excerpt(config["command"]),
          "`, not of `ramoe ", command, "`.");
    config = Json(config["config"]);
    for (const char* key : {"resume", "overwrite"}) config.erase(key);  // of that call alone
  }
  fields.read_json(config, path);
}

[[noreturn]] void not_understood(const FieldList& fields, const std::string& word,
                                 const PlainWords& words, bool first) {
  const std::size_t equals = word.find_first_of("=:");
  const Field* field = equals == std::string::npos ? nullptr : fields.find(word.substr(0, equals));
  if (field != nullptr)
    fail("\"", word, "\" was not understood; write --", field->key, "=", word.substr(equals + 1),
         ".");
  fail("\"", word, "\" was not understood; ",
       first ? "expected a config.json or a flag --key=value"
             : cat("there may be one ", words.key.empty() ? "config.json" : words.key,
                   ", and flags --key=value (text with blanks stands in quotation marks)"),
       ".");
}

/// Takes --config=FILE as a config file, unless the command has a key of that name.
void take_configs(const FieldList& fields, CommandLine& line) {
  if (fields.find("config") != nullptr) return;
  std::erase_if(line.flags, [&](const CommandLine::Flag& flag) {
    if (flag.key != "config") return false;
    line.words.push_back(flag.value);
    return true;
  });
}

CommandLine split_arguments(const FieldList& fields, const Arguments& arguments) {
  FieldList all = fields;
  std::string config;
  if (fields.find("config") == nullptr) all.add("config", &config, "config file");
  CommandLine line = all.split(arguments);
  take_configs(fields, line);
  return line;
}

/// `text` as one word of a shell.
std::string shell_word(const std::string& text) {
  const char* plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./=,:+@%";
  if (!text.empty() && text.find_first_not_of(plain) == std::string::npos) return text;
  std::string word = "'";
  for (const char c : text) word += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return word + "'";
}

/// Whether a word is a config file, and not the value of the command's own key. A run.json of
/// another command and the config.json of a model stand for their folders.
bool is_config(const std::string& word, const std::string& command, const PlainWords& words) {
  if (words.key.empty()) return true;
  if (!words.configs || !word.ends_with(".json")) return false;
  if (!fs::is_regular_file(word)) return true;
  const Json json = read_json(word);
  return !json.is_object() ||
         (!json.contains("model_type") && json.value("command", Json(command)) == command);
}

}  // namespace

bool read_arguments(FieldList& fields, const Arguments& arguments, const std::string& command,
                    const PlainWords& words) {
  if (asks_for_help(arguments)) {
    print_help(fields, command, words);
    return false;
  }
  CommandLine line = split_arguments(fields, arguments);
  int configs = 0, values = 0;
  for (const std::string& word : line.words) {
    const bool config = is_config(word, command, words);
    if (config ? ++configs > 1 : ++values > 1) not_understood(fields, word, words, false);
    if (config && !fs::exists(word) && !word.ends_with(".json"))
      not_understood(fields, word, words, true);
    if (config)
      read_config(fields, word, command);
    else if (std::any_of(line.flags.begin(), line.flags.end(),
                         [&](const CommandLine::Flag& flag) { return flag.key == words.key; }))
      fail("\"", word, "\" stands alone, and --", words.key,
           " is given already; write --key=value for what it is.");
    else
      fields.read_flag(CommandLine::Flag{words.key, word});
  }
  for (std::size_t i = 0; i < line.flags.size(); ++i) {
    const auto [key, value] = line.flags[i];
    for (std::size_t j = 0; j < i; ++j)
      if (line.flags[j].key == key && line.flags[j].value != value) {
        std::cerr << "note: --" << key << " was given more than once; the last one counts\n";
        break;
      }
    fields.read_flag(line.flags[i]);
  }
  return true;
}

std::vector<std::string> model_aliases() {
  return {"base", "model", "folder", "path"};
}

std::vector<std::string> language_aliases() {
  return {"language", "languages", "lang", "on"};
}

void PathKey::list(FieldList& f) {
  f.add("path", &path, help);
  f.also("path", {"run", "folder", "model", "base"});
}

bool read_path(PathKey& key, FieldList& fields, const Arguments& arguments,
               const std::string& command) {
  if (!read_arguments(fields, arguments, command, {"path", false})) return false;
  check(!key.path.empty(), "ramoe ", command, " needs a path, as in ramoe ", command,
        " runs/base.");
  check(fs::exists(key.path), key.path, " does not exist.");
  return true;
}

void note_unused(const FieldList& fields, const std::vector<std::string>& keys,
                 const std::string& why) {
  std::string names;
  for (const std::string& key : fields.given(keys)) names += (names.empty() ? "--" : ", --") + key;
  if (!names.empty()) std::cerr << "note: without effect here: " << names << " (" << why << ")\n";
}

Arguments flags_given(const FieldList& fields, const std::vector<std::string>& keys) {
  Arguments flags;
  const Json values = fields.to_json();
  for (const std::string& key : fields.given(keys))
    flags.push_back("--" + key + "=" + flag_text(values[key]));
  return flags;
}

std::string command_line(const std::string& command, const Arguments& arguments) {
  std::string line = shell_word(program_called_as()) + " " + command;
  for (const std::string& argument : arguments) line += " " + shell_word(argument);
  return line;
}

std::string resuming(const std::string& command, const std::string& run) {
  const std::string record = run + "/run.json";
  if (!std::filesystem::exists(record)) return "the same command";  // the run had not begun
  return command_line(command, {record, "--resume=true"});
}

std::string beside(const std::string& run, const std::string& name) {
  return (fs::path(run + "/.").lexically_normal().parent_path().parent_path() / name).string();
}

std::string percent_text(double share, int n) {
  if (n == 0 || !std::isfinite(share)) return "n/a";
  char text[32];
  std::snprintf(text, sizeof text, "%.1f %%", 100 * share);
  return text;
}

std::string percent_text(const Json& share, int n) {
  return share.is_number() ? percent_text(share.get<double>(), n) : "n/a";
}

void say_end(const std::string& where, const std::string& next_command) {
  std::cout << where << "\nNext: " << next_command << "\n";
}

}  // namespace ramoe
