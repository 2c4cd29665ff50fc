//--- NovoskySidecar: what the Python package cannot tell, and a hand on the brake.
//
// Writes to <common data folder>\Files\novosky:
//   sidecar.txt            every second: clocks, connection, account (key=value lines)
//   sessions_<symbol>.csv  every hour: day,from_second,to_second; Sunday = 0, server time
//   journal_<login>.csv    every trade transaction as it happens
// Reads bridge.txt, the bridge's heartbeat (epoch seconds, UTC). When that is older than
// SilentMinutes, positions of ours without a stop get one; after FlattenMinutes (0: never) they are
// closed. It never opens anything. Positions of others (magic below 2^32) are never touched.
#property copyright "NOVOSKY contributors, MIT"
#property version   "1.00"
#property description "Heartbeat, clock, sessions, trade journal, dead-man's switch. No entries."

input string Folder         = "novosky"; // folder below the common Files folder
input string Symbols        = "BTCUSD";  // whose sessions are written, with commas
input int    SilentMinutes  = 5;         // bridge silent for so long: see that stops exist
input double StopPct        = 2.0;       // distance of such a stop, percent of the price
input int    FlattenMinutes = 0;         // bridge silent for so long: close; 0 is never

#define OURS_FROM       4294967296 // 2^32: a magic of ours holds the strategy above bit 32
#define GUARD_EVERY_S   10
#define SESSIONS_EVERY_S 3600
#define DAY_S           86400

datetime last_guard = 0;
datetime last_sessions = 0;

int OnInit()
  {
   if(SilentMinutes < 1 || StopPct <= 0 || FlattenMinutes < 0)
     {
      Print("NovoskySidecar: SilentMinutes >= 1, StopPct > 0 and FlattenMinutes >= 0 are allowed");
      return(INIT_PARAMETERS_INCORRECT);
     }
   FolderCreate(Folder, FILE_COMMON);
   EventSetTimer(1);
   return(INIT_SUCCEEDED);
  }

void OnDeinit(const int reason)
  {
   EventKillTimer();
  }

void OnTick()
  {
// The chart keeps its history loaded; the timer does the work.
  }

void OnTimer()
  {
   datetime now = TimeGMT();
   WriteHeartbeat();
   if(now - last_sessions >= SESSIONS_EVERY_S)
     {
      WriteAllSessions();
      last_sessions = now;
     }
   if(now - last_guard >= GUARD_EVERY_S)
     {
      Guard(SilentSeconds());
      last_guard = now;
     }
  }

//--- what is told ------------------------------------------------------------------------------

int OpenToWrite(const string name, const int more)
  {
   int file = FileOpen(Folder + "\\" + name,
                       FILE_WRITE | FILE_TXT | FILE_ANSI | FILE_COMMON | FILE_SHARE_READ | more);
   if(file == INVALID_HANDLE)
      PrintFormat("NovoskySidecar: %s cannot be written (%d)", name, GetLastError());
   return(file);
  }

void WriteHeartbeat()
  {
   int file = OpenToWrite("sidecar.txt", 0);
   if(file == INVALID_HANDLE)
      return;
   FileWriteString(file, StringFormat("version=1\ntime_gmt=%I64d\ntime_trade_server=%I64d\n",
                                      (long)TimeGMT(), (long)TimeTradeServer()));
   FileWriteString(file, StringFormat("connected=%d\ntrade_allowed=%d\nlogin=%I64d\nserver=%s\n",
                                      (int)TerminalInfoInteger(TERMINAL_CONNECTED),
                                      (int)TerminalInfoInteger(TERMINAL_TRADE_ALLOWED),
                                      AccountInfoInteger(ACCOUNT_LOGIN),
                                      AccountInfoString(ACCOUNT_SERVER)));
   FileClose(file);
  }

void WriteAllSessions()
  {
   string names[];
   int count = StringSplit(Symbols, StringGetCharacter(",", 0), names);
   for(int i = 0; i < count; i++)
     {
      StringTrimLeft(names[i]);
      StringTrimRight(names[i]);
      if(SymbolSelect(names[i], true))
         WriteSessions(names[i]);
      else
         PrintFormat("NovoskySidecar: no symbol %s here", names[i]);
     }
  }

void WriteSessions(const string symbol)
  {
   int file = OpenToWrite("sessions_" + symbol + ".csv", 0);
   if(file == INVALID_HANDLE)
      return;
   for(int day = 0; day < 7; day++)
     {
      datetime start = 0, end = 0;
      for(uint i = 0; SymbolInfoSessionTrade(symbol, (ENUM_DAY_OF_WEEK)day, i, start, end); i++)
        {
         long last_s = (long)end;
         if(last_s == 0 || last_s > DAY_S)
            last_s = DAY_S;
         if(last_s > (long)start)
            FileWriteString(file, StringFormat("%d,%I64d,%I64d\n", day, (long)start, last_s));
        }
     }
   FileClose(file);
  }

void OnTradeTransaction(const MqlTradeTransaction &trans, const MqlTradeRequest &request,
                        const MqlTradeResult &result)
  {
   string name = StringFormat("journal_%I64d.csv", AccountInfoInteger(ACCOUNT_LOGIN));
   int file = OpenToWrite(name, FILE_READ);
   if(file == INVALID_HANDLE)
      return;
   FileSeek(file, 0, SEEK_END);
   FileWriteString(file, StringFormat("%I64d,%s,%I64u,%I64u,%I64u,%s,%s,%.8f,%.8f,%u\n",
                                      (long)TimeTradeServer(), EnumToString(trans.type),
                                      trans.deal, trans.order, trans.position, trans.symbol,
                                      EnumToString(trans.deal_type), trans.price, trans.volume,
                                      result.retcode));
   FileClose(file);
  }

//--- the dead-man's switch ----------------------------------------------------------------------

// Seconds since the bridge's last heartbeat; 0 where no bridge ever wrote one.
long SilentSeconds()
  {
   int file = FileOpen(Folder + "\\bridge.txt", FILE_READ | FILE_TXT | FILE_ANSI | FILE_COMMON |
                       FILE_SHARE_READ | FILE_SHARE_WRITE);
   if(file == INVALID_HANDLE)
      return(0);
   long beat = StringToInteger(FileReadString(file));
   FileClose(file);
   if(beat <= 0)
      return(0); // caught between two writes: the next look tells
   return((long)TimeGMT() - beat);
  }

void Guard(const long silent_s)
  {
   if(silent_s < 60 * SilentMinutes)
      return;
   bool flatten = FlattenMinutes > 0 && silent_s >= 60 * FlattenMinutes;
   for(int i = PositionsTotal() - 1; i >= 0; i--)
     {
      ulong ticket = PositionGetTicket(i);
      if(ticket == 0 || PositionGetInteger(POSITION_MAGIC) < OURS_FROM)
         continue;
      if(flatten)
         ClosePosition(ticket);
      else
         if(PositionGetDouble(POSITION_SL) == 0.0)
            GiveStop(ticket);
     }
  }

void GiveStop(const ulong ticket)
  {
   string symbol = PositionGetString(POSITION_SYMBOL);
   bool is_long = PositionGetInteger(POSITION_TYPE) == POSITION_TYPE_BUY;
   double price = SymbolInfoDouble(symbol, is_long ? SYMBOL_BID : SYMBOL_ASK);
   double tick = SymbolInfoDouble(symbol, SYMBOL_TRADE_TICK_SIZE);
   double least = SymbolInfoInteger(symbol, SYMBOL_TRADE_STOPS_LEVEL) *
                  SymbolInfoDouble(symbol, SYMBOL_POINT);
   if(price <= 0 || tick <= 0)
      return;
   double away = MathMax(price * StopPct / 100.0, least + tick);
   double stop = is_long ? MathFloor((price - away) / tick) * tick
                 : MathCeil((price + away) / tick) * tick;

   MqlTradeRequest request;
   ZeroMemory(request);
   request.action = TRADE_ACTION_SLTP;
   request.position = ticket;
   request.symbol = symbol;
   request.sl = NormalizeDouble(stop, (int)SymbolInfoInteger(symbol, SYMBOL_DIGITS));
   request.tp = PositionGetDouble(POSITION_TP);
   Send(request, "stop");
  }

void ClosePosition(const ulong ticket)
  {
   string symbol = PositionGetString(POSITION_SYMBOL);
   bool is_long = PositionGetInteger(POSITION_TYPE) == POSITION_TYPE_BUY;

   MqlTradeRequest request;
   ZeroMemory(request);
   request.action = TRADE_ACTION_DEAL;
   request.position = ticket; // closes that position, opens nothing
   request.symbol = symbol;
   request.volume = PositionGetDouble(POSITION_VOLUME);
   request.type = is_long ? ORDER_TYPE_SELL : ORDER_TYPE_BUY;
   request.price = SymbolInfoDouble(symbol, is_long ? SYMBOL_BID : SYMBOL_ASK);
   request.deviation = 100;
   request.magic = PositionGetInteger(POSITION_MAGIC);
   request.comment = "sidecar";
   request.type_filling = Filling(symbol);
   Send(request, "close");
  }

ENUM_ORDER_TYPE_FILLING Filling(const string symbol)
  {
   long allowed = SymbolInfoInteger(symbol, SYMBOL_FILLING_MODE);
   if((allowed & SYMBOL_FILLING_FOK) != 0)
      return(ORDER_FILLING_FOK);
   if((allowed & SYMBOL_FILLING_IOC) != 0)
      return(ORDER_FILLING_IOC);
   return(ORDER_FILLING_RETURN);
  }

void Send(const MqlTradeRequest &request, const string what)
  {
   MqlTradeResult result;
   ZeroMemory(result);
   bool sent = OrderSend(request, result);
   PrintFormat("NovoskySidecar: bridge silent, %s for %I64u: %s (%u)", what, request.position,
               sent ? "done" : "failed, again shortly", result.retcode);
  }
