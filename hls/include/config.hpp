// SPDX-License-Identifier: Apache-2.0
// The hardware configuration, chosen by the compiler option -DPERITUS_HW=<name>: constants in peritus::config.

#pragma once

#ifndef PERITUS_HW
#error "choose a hardware configuration, for example -DPERITUS_HW=nano"
#endif

#define PERITUS_TEXT(name) #name
#define PERITUS_CONFIG_FILE(hw) PERITUS_TEXT(peritus_config_##hw.hpp)
#define PERITUS_CONFIG_FILE_OF(hw) PERITUS_CONFIG_FILE(hw)
#include PERITUS_CONFIG_FILE_OF(PERITUS_HW)

namespace peritus {
namespace config = ::peritus::PERITUS_HW;
}
