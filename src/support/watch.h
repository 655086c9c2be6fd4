// Support - a callback that reports progress on many texts
#pragma once

#include <functional>

namespace ramoe {

/// Called with the number of texts answered or routed since the last call.
using Watch = std::function<void(double texts)>;

}  // namespace ramoe
