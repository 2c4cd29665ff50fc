// The MQL5 words that NovoskySidecar.mq5 uses, so that a C++ compiler can check its syntax and types.
// Signatures from the MQL5 reference. Nothing here does anything.
#include <cstdint>
#include <string>
#include <vector>
#define input static
typedef unsigned int uint;
typedef unsigned long long ulong_mql;
#define ulong ulong_mql
#define long long long
typedef long datetime;
struct string : std::string {
  string() {}
  string(const char *s) : std::string(s) {}
  string(const std::string &s) : std::string(s) {}
};
enum ENUM_INIT { INIT_SUCCEEDED, INIT_PARAMETERS_INCORRECT };
enum FLAGS { FILE_READ = 1, FILE_WRITE = 2, FILE_TXT = 4, FILE_ANSI = 8, FILE_COMMON = 16,
  FILE_SHARE_READ = 32, FILE_SHARE_WRITE = 64, INVALID_HANDLE = -1 };
enum ENUM_DAY_OF_WEEK { SUNDAY, SATURDAY = 6 };
enum ENUM_TERMINAL_INFO_INTEGER { TERMINAL_CONNECTED, TERMINAL_TRADE_ALLOWED };
enum ENUM_ACCOUNT_INFO_INTEGER { ACCOUNT_LOGIN };
enum ENUM_ACCOUNT_INFO_STRING { ACCOUNT_SERVER };
enum ENUM_SYMBOL_INFO_INTEGER { SYMBOL_TRADE_STOPS_LEVEL, SYMBOL_DIGITS, SYMBOL_FILLING_MODE };
enum ENUM_SYMBOL_INFO_DOUBLE { SYMBOL_BID, SYMBOL_ASK, SYMBOL_TRADE_TICK_SIZE, SYMBOL_POINT };
enum { SYMBOL_FILLING_FOK = 1, SYMBOL_FILLING_IOC = 2 };
enum ENUM_POSITION_PROPERTY_INTEGER { POSITION_MAGIC, POSITION_TYPE };
enum ENUM_POSITION_PROPERTY_DOUBLE { POSITION_SL, POSITION_TP, POSITION_VOLUME };
enum ENUM_POSITION_PROPERTY_STRING { POSITION_SYMBOL };
enum ENUM_POSITION_TYPE { POSITION_TYPE_BUY, POSITION_TYPE_SELL };
enum ENUM_TRADE_REQUEST_ACTIONS { TRADE_ACTION_DEAL = 1, TRADE_ACTION_SLTP = 6 };
enum ENUM_ORDER_TYPE { ORDER_TYPE_BUY, ORDER_TYPE_SELL };
enum ENUM_ORDER_TYPE_FILLING { ORDER_FILLING_FOK, ORDER_FILLING_IOC, ORDER_FILLING_RETURN };
enum ENUM_TRADE_TRANSACTION_TYPE { TRADE_TRANSACTION_DEAL_ADD };
enum ENUM_DEAL_TYPE { DEAL_TYPE_BUY };
struct MqlTradeRequest { ENUM_TRADE_REQUEST_ACTIONS action; ulong magic, order; string symbol;
  double volume, price, stoplimit, sl, tp; ulong deviation; ENUM_ORDER_TYPE type;
  ENUM_ORDER_TYPE_FILLING type_filling; string comment; ulong position, position_by; };
struct MqlTradeResult { uint retcode; ulong deal, order; double volume, price; string comment; };
struct MqlTradeTransaction { ulong deal, order; string symbol; ENUM_TRADE_TRANSACTION_TYPE type;
  ENUM_DEAL_TYPE deal_type; double price, volume; ulong position, position_by; };
bool FolderCreate(string, int);
bool EventSetTimer(int);
void EventKillTimer();
datetime TimeGMT();
datetime TimeTradeServer();
int FileOpen(string, int);
uint FileWriteString(int, const string);
string FileReadString(int);
bool FileSeek(int, long, int);
void FileClose(int);
int GetLastError();
template <class... A> void Print(A...) {}
template <class... A> void PrintFormat(const char *, A...) {}
template <class... A> string StringFormat(const char *, A...) { return string(); }
template <class E> string EnumToString(E) { return string(); }
template <class T> void ZeroMemory(T &) {}
int StringSplit(string, unsigned short, std::vector<string> &);
unsigned short StringGetCharacter(string, int);
int StringTrimLeft(string &);
int StringTrimRight(string &);
long StringToInteger(string);
bool SymbolSelect(string, bool);
bool SymbolInfoSessionTrade(string, ENUM_DAY_OF_WEEK, uint, datetime &, datetime &);
long TerminalInfoInteger(ENUM_TERMINAL_INFO_INTEGER);
long AccountInfoInteger(ENUM_ACCOUNT_INFO_INTEGER);
string AccountInfoString(ENUM_ACCOUNT_INFO_STRING);
long SymbolInfoInteger(string, ENUM_SYMBOL_INFO_INTEGER);
double SymbolInfoDouble(string, ENUM_SYMBOL_INFO_DOUBLE);
int PositionsTotal();
ulong PositionGetTicket(int);
long PositionGetInteger(ENUM_POSITION_PROPERTY_INTEGER);
double PositionGetDouble(ENUM_POSITION_PROPERTY_DOUBLE);
string PositionGetString(ENUM_POSITION_PROPERTY_STRING);
double MathMax(double, double);
double MathFloor(double);
double MathCeil(double);
double NormalizeDouble(double, int);
bool OrderSend(const MqlTradeRequest &, MqlTradeResult &);
