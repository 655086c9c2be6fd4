#include "ch06_languages/bpe.h"

#include <algorithm>
#include <bit>
#include <queue>
#include <utility>

#include "support/error.h"
#include "support/stop.h"
#include "support/unicode.h"

namespace ramoe {
namespace {

constexpr std::uint64_t kFree = ~std::uint64_t{0};
constexpr std::size_t kCacheLimit = 1 << 20;  // pieces; then the cache is cleared
constexpr std::size_t kCachedPiece = 256;     // bytes; longer pieces rarely repeat
constexpr std::string_view kReplacementBytes = "\uFFFD";

std::uint64_t pair_key(int left, int right) {
  return static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32 |
         static_cast<std::uint32_t>(right);
}

int require(int id, const char* name) {
  check(id >= 0, "this tokenizer has no ", name, " token; name one in tokenizer_config.json.");
  return id;
}

}  // namespace

MergeTable::MergeTable(const std::vector<Merge>& merges)
    : slots_(std::bit_ceil(2 * merges.size() + 2), Slot{kFree, {-1, -1}}) {
  int rank = 0;
  for (const Merge& m : merges) {
    Slot& slot = slots_[place(pair_key(m.left, m.right))];
    check(slot.pair == kFree, "merge ", rank, " joins tokens ", m.left, " and ", m.right,
          ", which merge ", slot.found.rank, " does already; each pair may be listed once.");
    slot = {pair_key(m.left, m.right), {rank, m.result}};
    ++rank;
  }
}

/// The slot of the pair, or the free slot for it.
std::size_t MergeTable::place(std::uint64_t pair) const {
  const std::size_t mask = slots_.size() - 1;
  std::size_t at = static_cast<std::size_t>((pair * 0x9E3779B97F4A7C15u) >> 32) & mask;
  while (slots_[at].pair != pair && slots_[at].pair != kFree) at = (at + 1) & mask;
  return at;
}

MergeTable::Found MergeTable::find(int left, int right) const {
  return slots_[place(pair_key(left, right))].found;
}

std::vector<int> bpe_merge_plain(std::vector<int> ids, const MergeTable& merges) {
  for (;;) {
    MergeTable::Found best = {-1, -1};
    std::size_t best_at = 0;
    for (std::size_t i = 0; i + 1 < ids.size(); ++i) {
      const MergeTable::Found found = merges.find(ids[i], ids[i + 1]);
      if (found.rank >= 0 && (best.rank < 0 || found.rank < best.rank)) {
        best = found;
        best_at = i;
      }
    }
    if (best.rank < 0) return ids;
    ids[best_at] = best.result;
    ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(best_at) + 1);
  }
}

std::vector<int> bpe_merge(const std::vector<int>& ids, const MergeTable& merges) {
  struct Node {
    int id, before, after;  // -1: none; id -1: merged into the node before it
  };
  struct Candidate {
    int rank, at, left, right, result;
  };
  const auto later = [](const Candidate& a, const Candidate& b) {
    return a.rank != b.rank ? a.rank > b.rank : a.at > b.at;
  };
  const int n = static_cast<int>(ids.size());
  std::vector<Node> list(ids.size());
  for (int i = 0; i < n; ++i) {
    const auto k = static_cast<std::size_t>(i);
    list[k] = {ids[k], i - 1, i + 1 < n ? i + 1 : -1};
  }
  const auto node = [&](int i) -> Node& { return list[static_cast<std::size_t>(i)]; };
  std::priority_queue<Candidate, std::vector<Candidate>, decltype(later)> heap(later);
  const auto offer = [&](int at) {
    if (at < 0 || node(at).after < 0) return;
    const int left = node(at).id, right = node(node(at).after).id;
    const MergeTable::Found found = merges.find(left, right);
    if (found.rank >= 0) heap.push({found.rank, at, left, right, found.result});
  };
  for (int i = 0; i < n; ++i) offer(i);
  while (!heap.empty()) {
    const Candidate c = heap.top();
    heap.pop();
    Node& left = node(c.at);
    // Candidates stay in the heap when a neighbour changes; outdated ones are dropped here.
    if (left.id != c.left || left.after < 0 || node(left.after).id != c.right) continue;
    const int gone = left.after;
    left.id = c.result;
    left.after = node(gone).after;
    if (left.after >= 0) node(left.after).before = c.at;
    node(gone).id = -1;
    offer(left.before);
    offer(c.at);
  }
  std::vector<int> out;
  for (int i = n ? 0 : -1; i >= 0; i = node(i).after) out.push_back(node(i).id);
  return out;
}

Tokenizer::Tokenizer(TokenizerParts parts)
    : parts_(std::move(parts)),
      merges_(parts_.merges),
      scanner_(find_scanner(parts_.pattern)),
      special_(parts_.tokens.size(), 0),
      ordinary_(parts_.tokens.size(), 1) {
  id_from_byte_.fill(-1);
  check_parts();
  index_added();
  index_tokens();
}

void Tokenizer::index_added() {
  std::vector<AddedTokenSet::Entry> raw, normalized;
  for (const bool special : {true, false}) {  // special ones first: they win a tie
    for (const AddedToken& a : parts_.added) {
      if (a.special != special) continue;
      const std::string& text = token(a.id);
      const bool after = a.normalized && parts_.nfc;
      (a.normalized ? normalized : raw).push_back({after ? to_nfc(text) : text, a});
    }
  }
  raw_ = AddedTokenSet(std::move(raw));
  normalized_ = AddedTokenSet(std::move(normalized));
  for (const AddedToken& a : parts_.added) {
    const auto id = static_cast<std::size_t>(a.id);
    special_[id] = a.special;
    // model.vocab uses byte letters: only printable ASCII is spelled the same there.
    const auto printable = [](char c) { return c > ' ' && c <= '~'; };
    const std::string& text = parts_.tokens[id];
    ordinary_[id] = a.in_vocab && std::all_of(text.begin(), text.end(), printable);
  }
}

void Tokenizer::index_tokens() {
  for (const bool ordinary : {true, false}) {
    for (int id = 0; id < vocab_size(); ++id) {
      const std::string& bytes = parts_.tokens[static_cast<std::size_t>(id)];
      if (bytes.empty() || (ordinary_[static_cast<std::size_t>(id)] != 0) != ordinary) continue;
      const auto [other, fresh] = id_from_token_.emplace(bytes, id);
      const bool may_repeat = !ordinary && ordinary_[static_cast<std::size_t>(other->second)];
      check(fresh || may_repeat, "tokens ", other->second, " and ", id, " are both '", bytes,
            "'; tokens must be distinct.");
      if (ordinary && bytes.size() == 1) id_from_byte_[static_cast<unsigned char>(bytes[0])] = id;
    }
  }
  for (int byte = 0; byte < 256; ++byte) {
    const bool never_in_utf8 = byte == 0xC0 || byte == 0xC1 || byte > 0xF4;
    check(never_in_utf8 || id_from_byte_[static_cast<std::size_t>(byte)] >= 0, "byte ", byte,
          " has no token; a byte-level vocabulary needs all that UTF-8 uses.");
  }
}

void Tokenizer::check_parts() const {
  const int v = vocab_size();
  const auto check_id = [&](int id, const char* what, std::size_t where) {
    check(id >= 0 && id < v, what, " ", where, " names token ", id, ", but ids are 0..", v - 1,
          ".");
    check(!token(id).empty(), what, " ", where, " names token ", id, ", which is empty.");
  };
  std::vector<char> added(parts_.tokens.size(), 0);
  for (std::size_t i = 0; i < parts_.added.size(); ++i) {
    check_id(parts_.added[i].id, "added token", i);
    char& seen = added[static_cast<std::size_t>(parts_.added[i].id)];
    check(!seen, "added token ", i, " is '", token(parts_.added[i].id), "' for the second time.");
    seen = 1;
  }
  for (std::size_t rank = 0; rank < parts_.merges.size(); ++rank) {
    const Merge& m = parts_.merges[rank];
    for (const int id : {m.left, m.right, m.result}) check_id(id, "merge", rank);
    const std::string &left = token(m.left), &right = token(m.right), &result = token(m.result);
    check(left.size() + right.size() == result.size() && result.starts_with(left) &&
              result.ends_with(right),
          "merge ", rank, " makes '", result, "' of '", left, "' and '", right,
          "'; the result must be the two joined.");
  }
  for (const int id : {parts_.bos, parts_.eos, parts_.pad}) {
    if (id != -1) check_id(id, "bos, eos or pad:", 0);
  }
  for (const std::vector<int>* ids : {&parts_.before, &parts_.after}) {
    for (std::size_t i = 0; i < ids->size(); ++i) check_id((*ids)[i], "template token", i);
  }
}

std::vector<int> Tokenizer::encode(std::string_view text, SpecialText special) const {
  return encode(text, special, nullptr);
}

std::vector<int> Tokenizer::encode(std::string_view text, SpecialText special, Cache* cache) const {
  stop_point();
  std::vector<int> ids;
  for (const AddedTokenSet::Part& part : raw_.split(text, special == SpecialText::tokens)) {
    if (part.token) {
      ids.push_back(part.token->id);
    } else {
      encode_plain(part.text, special, cache, ids);
    }
  }
  return ids;
}

void Tokenizer::encode_plain(std::string_view text, SpecialText special, Cache* cache,
                             std::vector<int>& ids) const {
  std::string normal;
  if (parts_.nfc) {
    normal = to_nfc(text);
    text = normal;
  }
  for (const AddedTokenSet::Part& part : normalized_.split(text, special == SpecialText::tokens)) {
    if (part.token) {
      ids.push_back(part.token->id);
      continue;
    }
    for (std::size_t at = 0; at < part.text.size();) {
      const std::size_t bytes = scanner_(part.text, at);
      encode_piece(part.text.substr(at, bytes), cache, ids);
      at += bytes;
    }
  }
}

void Tokenizer::encode_piece(std::string_view piece, Cache* cache, std::vector<int>& ids) const {
  if (!cache || piece.size() > kCachedPiece) {
    const std::vector<int> merged = merge_piece(piece);
    ids.insert(ids.end(), merged.begin(), merged.end());
    return;
  }
  const std::string key(piece);
  auto known = cache->find(key);
  if (known == cache->end()) {
    if (cache->size() >= kCacheLimit) cache->clear();
    known = cache->emplace(key, merge_piece(piece)).first;
  }
  ids.insert(ids.end(), known->second.begin(), known->second.end());
}

std::vector<int> Tokenizer::merge_piece(std::string_view piece) const {
  if (parts_.ignore_merges) {
    const int whole = find_token(std::string(piece));
    if (whole >= 0 && ordinary_[static_cast<std::size_t>(whole)]) return {whole};
  }
  std::vector<int> ids;
  ids.reserve(piece.size());
  for (const char c : piece) {
    const int id = id_from_byte_[static_cast<unsigned char>(c)];
    if (id >= 0) {
      ids.push_back(id);
    } else {
      for (const char r : kReplacementBytes) {
        ids.push_back(id_from_byte_[static_cast<unsigned char>(r)]);
      }
    }
  }
  return bpe_merge(ids, merges_);
}

std::vector<int> Tokenizer::with_specials(const std::vector<int>& ids) const {
  std::vector<int> all = parts_.before;
  all.insert(all.end(), ids.begin(), ids.end());
  all.insert(all.end(), parts_.after.begin(), parts_.after.end());
  return all;
}

std::string Tokenizer::decode(const std::vector<int>& ids) const {
  std::string text;
  for (const int id : ids) text += token(id);
  return text;
}

std::string Tokenizer::decode_text(const std::vector<int>& ids) const {
  std::string text;
  for (const int id : ids) {
    if (!is_special(id)) text += token(id);
  }
  return text;
}

int Tokenizer::bos() const {
  return require(parts_.bos, "bos");
}
int Tokenizer::eos() const {
  return require(parts_.eos, "eos");
}
int Tokenizer::pad() const {
  return require(parts_.pad, "pad");
}

bool Tokenizer::is_special(int id) const {
  token(id);
  return special_[static_cast<std::size_t>(id)] != 0;
}

const std::string& Tokenizer::token(int id) const {
  check(id >= 0 && id < vocab_size(), "token id ", id, " is outside the vocabulary 0..",
        vocab_size() - 1, "; was it made by another tokenizer?");
  return parts_.tokens[static_cast<std::size_t>(id)];
}

int Tokenizer::find_token(const std::string& bytes) const {
  const auto found = id_from_token_.find(bytes);
  return found == id_from_token_.end() ? -1 : found->second;
}

}  // namespace ramoe
