// SPDX-License-Identifier: Apache-2.0
// compress lz4|zlib < plain > packed, with the headers that FST waves are written with.

#include <cstdio>
#include <cstring>
#include <vector>

#include <lz4.h>
#include <zlib.h>

int main(int argc, char** argv) {
    std::vector<unsigned char> in;
    for (int c; (c = std::getchar()) != EOF;) in.push_back(static_cast<unsigned char>(c));
    std::vector<unsigned char> out;
    if (argc == 2 && std::strcmp(argv[1], "lz4") == 0) {
        out.resize(LZ4_compressBound(static_cast<int>(in.size())));
        out.resize(LZ4_compress_default(reinterpret_cast<const char*>(in.data()), reinterpret_cast<char*>(out.data()),
                                        static_cast<int>(in.size()), static_cast<int>(out.size())));
    } else {
        uLongf size = compressBound(in.size());
        out.resize(size);
        if (compress2(out.data(), &size, in.data(), in.size(), 9) != Z_OK) return 1;
        out.resize(size);
    }
    std::fwrite(out.data(), 1, out.size(), stdout);
    return 0;
}
