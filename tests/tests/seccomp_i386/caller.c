/* Makes system calls for tests of filters, without a C library: `caller HOW NUMBER [ARGUMENT...]`, with HOW one of
 *   own     as programs of its kind do
 *   old     by int $0x80, as 32-bit programs do
 *   traced  like `own`, in a child that it traces; the exit status is what the filter tells the tracer
 * An argument is a number, or several with commas between them for the address of a list of them. The exit status is the
 * call's error number. */

typedef long word;

#ifdef __x86_64__
enum { FORK = 57, EXIT = 60, WAIT4 = 61, KILL = 62, GETPID = 39, PTRACE = 101 };
#else
enum { FORK = 2, EXIT = 1, WAIT4 = 114, KILL = 37, GETPID = 20, PTRACE = 26 };
#endif
enum { SIGTRAP = 5, SIGSTOP = 19, EVENT_SECCOMP = 7 };
enum { TRACEME = 0, CONT = 7, SETOPTIONS = 0x4200, GETEVENTMSG = 0x4201 };
enum { O_TRACESECCOMP = 0x80, O_EXITKILL = 0x100000 };

static word old(word number, word a, word b, word c) {
    word result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(a), "c"(b), "d"(c)
                     : "memory"
#ifdef __x86_64__
                       , "r8", "r9", "r10", "r11"
#endif
    );
    return (int)result;
}

static word own4(word number, word a, word b, word c, word d) {
    word result;
#ifdef __x86_64__
    register word fourth __asm__("r10") = d;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c), "r"(fourth)
                     : "rcx", "r11", "memory");
#else
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(a), "c"(b), "d"(c), "S"(d) : "memory");
#endif
    return result;
}

static word own(word number, word a, word b, word c) { return own4(number, a, b, c, 0); }

static word wait_for(word child) {
    int status = 0;
    own4(WAIT4, child, (word)&status, 0, 0);
    return status;
}

static word traced(word number, word a, word b, word c) {
    word told = 0, child = own(FORK, 0, 0, 0);
    if (child == 0) {
        own4(PTRACE, TRACEME, 0, 0, 0);
        own(KILL, own(GETPID, 0, 0, 0), SIGSTOP, 0);
        own(EXIT, own(number, a, b, c) < 0, 0, 0);
    }
    wait_for(child);
    own4(PTRACE, SETOPTIONS, child, 0, O_TRACESECCOMP | O_EXITKILL);
    own4(PTRACE, CONT, child, 0, 0);
    if (wait_for(child) >> 8 != (SIGTRAP | EVENT_SECCOMP << 8)) return -1;
    own4(PTRACE, GETEVENTMSG, child, 0, (word)&told);
    own4(PTRACE, CONT, child, 0, 0);
    return wait_for(child) == 0 ? -told : -2;
}

static word list[8];

static word argument(const char *text) {
    unsigned long number = 0, count = 0;
    for (; *text; text++) {
        if (*text == ',') {
            list[count++] = number;
            number = 0;
        } else {
            number = number * 10 + (*text - '0');
        }
    }
    list[count] = number;
    return count ? (word)list : (word)number;
}

__attribute__((used)) static void go(word *stack) {
    word count = stack[0], values[4] = {0};
    char **words = (char **)(stack + 1);
    for (word i = 2; i < count && i < 6; i++) values[i - 2] = argument(words[i]);
    word (*how)(word, word, word, word) = words[1][1] == 'w' ? own : words[1][0] == 'o' ? old : traced;
    word result = how(values[0], values[1], values[2], values[3]);
    own(EXIT, result < 0 ? -result : 0, 0, 0);
}

#ifdef __x86_64__
__asm__(".globl _start\n_start: mov %rsp, %rdi\nand $-16, %rsp\ncall go\n");
#else
__asm__(".globl _start\n_start: mov %esp, %eax\npush %eax\ncall go\n");
#endif
