#include "support/choices.h"

#include <algorithm>

#include "support/error.h"
#include "support/names.h"

namespace ramoe {

std::size_t place_of(const std::string& name, const std::vector<std::string>& names,
                     const std::string& what) {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found != names.end()) return static_cast<std::size_t>(found - names.begin());
  std::string list;
  for (std::size_t i = 0; i < names.size(); ++i)
    list += (i == 0 ? "" : i + 1 < names.size() ? ", " : " and ") + names[i];
  const std::string nearest = nearest_word(name, names);
  fail(what, " \"", name, "\" is unknown; there are ", list,
       nearest.empty() ? "." : "; did you mean " + nearest + "?");
}

}  // namespace ramoe
