// The C++ library: streams, strings, maps, algorithms, smart pointers, virtual calls, lambdas, 128-bit and floating-point formatting.
#include <algorithm>
#include <cmath>
#include <functional>
#include <iomanip>
#include <iostream>
#include <map>
#include <memory>
#include <numeric>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

struct Shape {
    virtual ~Shape() = default;
    virtual double area() const = 0;
    virtual std::string name() const = 0;
};

struct Circle final : Shape {
    explicit Circle(double r) : r(r) {}
    double area() const override { return M_PI * r * r; }
    std::string name() const override { return "circle"; }
    double r;
};

struct Box final : Shape {
    Box(double a, double b) : a(a), b(b) {}
    double area() const override { return a * b; }
    std::string name() const override { return "box"; }
    double a, b;
};

struct Counted {
    static inline int alive = 0;
    Counted() { alive++; }
    Counted(const Counted &) { alive++; }
    ~Counted() { alive--; }
};

static struct AtExit {
    ~AtExit() { std::cout << "static destructor, " << Counted::alive << " alive\n"; }
} at_exit;

int main() {
    std::map<std::string, int> count;
    std::unordered_map<char, int> letters;
    std::string word, longest;
    while (std::cin >> word) {
        word.erase(std::remove_if(word.begin(), word.end(), [](unsigned char c) { return !std::isalpha(c); }), word.end());
        std::transform(word.begin(), word.end(), word.begin(), [](unsigned char c) { return std::tolower(c); });
        if (word.empty()) continue;
        count[word]++;
        for (char c : word) letters[c]++;
        if (word.size() > longest.size()) longest = word;
    }
    std::vector<std::pair<std::string, int>> order(count.begin(), count.end());
    std::stable_sort(order.begin(), order.end(), [](const auto &a, const auto &b) { return a.second > b.second; });
    for (size_t i = 0; i < std::min<size_t>(8, order.size()); i++)
        std::cout << std::left << std::setw(12) << order[i].first << std::right << std::setw(4) << order[i].second << '\n';
    std::cout << count.size() << " words, longest " << longest << ", e: " << letters['e'] << '\n';

    std::vector<std::unique_ptr<Shape>> shapes;
    for (int i = 1; i <= 6; i++) {
        if (i % 2) shapes.push_back(std::make_unique<Circle>(i / 2.0));
        else shapes.push_back(std::make_unique<Box>(i, i + 0.25));
    }
    double total = std::accumulate(shapes.begin(), shapes.end(), 0.0, [](double sum, const auto &s) { return sum + s->area(); });
    std::cout << shapes.front()->name() << " to " << shapes.back()->name() << ", area " << std::setprecision(12) << total << '\n';

    std::vector<std::function<long(long)>> steps;
    for (long k = 1; k <= 5; k++) steps.emplace_back([k](long x) { return x * k + 1; });
    std::cout << std::accumulate(steps.begin(), steps.end(), 1L, [](long x, const auto &f) { return f(x); }) << '\n';

    std::variant<int, double, std::string> v = std::string("text");
    std::cout << std::visit([](const auto &x) { std::ostringstream s; s << "variant " << x; return s.str(); }, v) << '\n';
    std::optional<Counted> maybe{std::in_place};
    {
        std::vector<Counted> many(100);
        auto shared = std::make_shared<Counted>();
        auto other = shared;
        std::cout << Counted::alive << " alive, " << shared.use_count() << " owners\n";
    }
    std::cout << Counted::alive << " alive\n";
    std::cout << std::hex << 0xdeadbeefcafeULL << std::dec << ' ' << std::fixed << std::setprecision(3) << std::tgamma(5.5) << ' ' << std::scientific
              << std::hypot(3e150, 4e150) << '\n';
    std::set<int> sieve;
    for (int i = 2; i < 200; i++) sieve.insert(i);
    for (auto it = sieve.begin(); it != sieve.end(); ++it)
        for (int m = *it * 2; m < 200; m += *it) sieve.erase(m);
    std::cout << sieve.size() << " primes, the last " << *sieve.rbegin() << std::endl;
}
