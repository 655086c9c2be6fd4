// Support - who works on many texts tells a watcher how far it is
#pragma once

#include <functional>

namespace ramoe {

/// Called with how many more texts have been answered or routed.
using Watch = std::function<void(double texts)>;

}  // namespace ramoe
