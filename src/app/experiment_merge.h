// App - ramoe experiment merge: the results of several folders or files, in one folder
//
// Tests: tests/app/experiment_test.cpp
#pragma once

#include "app/command.h"

namespace ramoe {

/// merge --into=FOLDER A B ...: writes nothing unless all sources may be mixed and agree.
int merge_experiments(const Arguments& arguments);

}  // namespace ramoe
