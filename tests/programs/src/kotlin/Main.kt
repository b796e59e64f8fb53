// Walks through Kotlin's standard library: everything here lives in the garbage-collected heap, and errors are Wasm exceptions.
import kotlin.coroutines.*
import kotlin.io.encoding.Base64
import kotlin.io.encoding.ExperimentalEncodingApi
import kotlin.properties.Delegates
import kotlin.random.Random
import kotlin.time.Duration.Companion.seconds

sealed interface Shape
data class Circle(val radius: Double) : Shape
data class Rectangle(val width: Double, val height: Double) : Shape
data object Nothingness : Shape

fun area(shape: Shape): Double = when (shape) {
    is Circle -> kotlin.math.PI * shape.radius * shape.radius
    is Rectangle -> shape.width * shape.height
    Nothingness -> 0.0
}

value class Metres(val count: Int) : Comparable<Metres> {
    operator fun plus(other: Metres) = Metres(count + other.count)
    override fun compareTo(other: Metres) = count.compareTo(other.count)
}

class Tree(val left: Tree?, val right: Tree?) {
    fun count(): Int = 1 + (left?.count() ?: 0) + (right?.count() ?: 0)
}

fun tree(depth: Int): Tree = if (depth == 0) Tree(null, null) else Tree(tree(depth - 1), tree(depth - 1))

class Lost(message: String, cause: Throwable? = null) : Exception(message, cause)

fun attempt(name: String, action: () -> Any?) {
    val result = try {
        action().toString()
    } catch (e: Lost) {
        "lost: ${e.message}, because of ${e.cause?.message}"
    } catch (e: RuntimeException) {
        "${e::class.simpleName}: ${e.message}"
    } finally {
        print("$name -> ")
    }
    println(result)
}

fun <T> run(block: suspend () -> T): T {
    var outcome: Result<T>? = null
    block.startCoroutine(Continuation(EmptyCoroutineContext) { outcome = it })
    return outcome!!.getOrThrow()
}

inline fun <reified T> Iterable<Any?>.only(): List<T> = filterIsInstance<T>()

fun collections() {
    val words = "the quick brown fox jumps over the lazy dog and the cat".split(' ')
    println(words.groupingBy { it }.eachCount().toList().sortedWith(compareBy({ -it.second }, { it.first })).take(4))
    println(words.groupBy { it.length }.toList().sortedBy { it.first }.joinToString { (n, all) -> "$n=${all.distinct()}" })
    println(words.zipWithNext { a, b -> a.last() == b.first() }.indexOf(true))
    println(words.windowed(3, 4).map { it.joinToString("-", "<", ">") })
    val map = sortedWords(words).withIndex().associate { (i, w) -> w to i }
    println(map.entries.joinToString(limit = 5) { "${it.key}:${it.value}" })
    println(listOf<Any?>(1, "two", 3.0, null, 'x', 5L, "six").only<String>())
    println(ArrayDeque((1..10).toList()).apply { repeat(3) { addFirst(removeLast()) } })
    println((1..5).runningFold(1L) { a, b -> a * b } + (1..3).flatMap { a -> (a..3).map { (a * it).toLong() } })
}

fun sortedWords(words: List<String>): Set<String> = LinkedHashSet(words.sortedDescending())

fun sequences() {
    val primes = sequence {
        val found = mutableListOf<Int>()
        for (n in generateSequence(2) { it + 1 }) {
            if (found.none { n % it == 0 }) {
                found += n
                yield(n)
            }
        }
    }
    println(primes.takeWhile { it < 60 }.toList())
    println(primes.drop(400).first())
    val steps = DeepRecursiveFunction<Int, Int> { n -> if (n == 0) 0 else 1 + callRecursive(n - 1) }
    println(steps(100_000))
}

@OptIn(ExperimentalEncodingApi::class)
fun text() {
    println(Regex("""(\w+)@(\w+)\.(com|org)""").findAll("ann@site.org, bob@home.com, eve@no.net").map { it.groupValues.drop(1) }.toList())
    println("größer ≠ 🐦 straße".uppercase() + " " + "🐦".length + " " + "x".repeat(3).padStart(6, '.'))
    println(listOf(0.1 + 0.2, 1e21, 1.0 / 3, -0.0, Double.NaN, Double.MIN_VALUE, 100.0, 12345.678e-10).joinToString())
    println(listOf(Long.MIN_VALUE, ULong.MAX_VALUE, 255.toString(16), "-7f".toInt(16), Int.MAX_VALUE + 1, (-7).mod(3), -7 % 3))
    val coded = Base64.encode("The Arctic tern flies from pole to pole.".encodeToByteArray())
    println(coded + " " + Base64.decode(coded).decodeToString().length)
    println(buildString { for (c in 'a'..'e') insert(0, c).append(c.code) })
    println(90061.5.seconds)
}

fun failures() {
    attempt("cast") { (listOf<Any>("text")[0] as Int) + 1 }
    attempt("list") { listOf(1, 2, 3)[3] }
    attempt("number") { "12x".toInt() }
    attempt("division") { 1 / listOf(0).first() }
    attempt("null") { (null as String?)!!.length }
    attempt("require") { require(false) { "never" } }
    attempt("nested") {
        try {
            error("inner")
        } catch (e: IllegalStateException) {
            throw Lost("outer", e)
        }
    }
    attempt("suspended") { run { if (suspendCoroutine { it.resume(41) } + 1 == 42) throw Lost("in a coroutine") else 0 } }
    attempt("fine") { run { suspendCoroutine<Int> { it.resume(41) } + 1 } }
}

class Observed {
    val log = mutableListOf<String>()
    var value: Int by Delegates.observable(0) { property, old, new -> log += "${property.name}: $old -> $new" }
    val late by lazy { log += "computed"; value * 2 }
}

fun main() {
    println(listOf(Circle(1.5), Rectangle(2.0, 3.5), Nothingness).map { "$it has ${area(it)}" })
    println(listOf(Metres(3), Metres(1) + Metres(1), Metres(9)).max())
    collections()
    sequences()
    text()
    failures()
    val observed = Observed().apply { value = 3; value = late; late }
    println(observed.log)
    val random = Random(42)
    println(List(8) { random.nextInt(1000) })
    println((1..10).sumOf { tree(4 + it).count() })
}
